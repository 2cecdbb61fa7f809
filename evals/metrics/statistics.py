"""How sure a mean is, and whether two systems differ: bootstrap over users, paired tests,
correction for many.

NaN marks a user for whom a metric is undefined; every result says over how many users it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from limner.core.metrics import ROUNDS, Floats, intervals

Test = Literal["randomisation", "t", "wilcoxon"]


@dataclass(frozen=True)
class PairedTest:
    """First system minus second, over the users for whom both have a value."""

    diff: float
    low: float
    high: float
    """Bounds of the 95% bootstrap interval of the difference."""
    p: float
    """Two-sided, not corrected for many comparisons; NaN where `n` is 0."""
    n: int


def paired_test(
    a: Floats, b: Floats, seed: int = 0, rounds: int = 10_000, method: Test = "randomisation"
) -> PairedTest:
    """Whether [users] a and b differ in the mean, over users with both values; see
    `paired_tests`.
    """
    return paired_tests(a[None], b[None], seed, rounds, method)[0]


def paired_tests(
    a: Floats, b: Floats, seed: int = 0, rounds: int = 10_000, method: Test = "randomisation"
) -> list[PairedTest]:
    """Paired tests of each row of [comparisons, users], all with the same signs and resamples.

    method: `randomisation` flips the sign of each user's difference at random, `rounds` times, and
    counts the means at least as far from 0, itself included (Fisher 1935; for ranking metrics
    Smucker and others 2007), so that no p is below 1 / (rounds + 1); `t`, Student's paired test;
    `wilcoxon`, the signed ranks, zeros left out.
    """
    differences = a - b
    means = intervals(differences, seed=seed)
    if method == "randomisation":
        p_values = _sign_flips(differences, rounds, seed)
    else:
        p_values = [_scipy_p(row[~np.isnan(row)], method) for row in differences]
    return [
        PairedTest(one.mean, one.low, one.high, p if one.n else float("nan"), one.n)
        for one, p in zip(means, p_values, strict=True)
    ]


def holm(p_values: Sequence[float] | Floats) -> Floats:
    """Each p corrected for all of them (Holm 1979), in the order given; a NaN stays one and counts
    for none.
    """
    given = np.asarray(p_values, dtype=np.float64)
    out = np.full(given.shape, np.nan)
    known = np.flatnonzero(~np.isnan(given))
    order = known[np.argsort(given[known], kind="stable")]
    scaled = given[order] * np.arange(len(order), 0, -1)
    out[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return out


def _sign_flips(differences: Floats, rounds: int, seed: int) -> list[float]:
    filled = np.nan_to_num(differences)
    # A user without a difference has no say, whatever the sign.
    filled = filled[:, (filled != 0).any(axis=0)]
    users = filled.shape[1]
    if not users:
        return [1.0] * len(filled)
    total = filled.sum(axis=1)
    # Sums in single precision are off by far less than this; without it, a tie could count as
    # smaller.
    bar = np.abs(total) - 1e-6 * np.abs(filled).sum(axis=1)
    # A row of zeros, since a product with a single column takes five times as long as with two.
    columns = np.concatenate([filled, np.zeros((1, users))]).astype(np.float32).T
    random = np.random.default_rng(seed)
    far = np.zeros(len(filled), dtype=np.int64)
    for begin in range(0, rounds, ROUNDS):
        some = min(ROUNDS, rounds - begin)
        bits = np.unpackbits(
            np.frombuffer(random.bytes(some * users // 8 + 1), np.uint8), count=some * users
        )
        kept = (bits.reshape(some, users).astype(np.float32) @ columns)[:, :-1]
        # Those kept less those flipped, and these are the rest.
        far += (np.abs(2 * kept - total) >= bar).sum(axis=0)
    return [(1 + int(one)) / (1 + rounds) for one in far]


def _scipy_p(differences: Floats, method: Test) -> float:
    from scipy import stats

    if not len(differences):
        return float("nan")
    if not differences.any():
        return 1.0
    if method == "wilcoxon":
        return float(stats.wilcoxon(differences).pvalue)
    if len(differences) < 2:
        return float("nan")
    return float(stats.ttest_1samp(differences, 0.0).pvalue)
