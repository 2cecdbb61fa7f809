"""What production and the harness both measure: gain of lists, errors of predictions, intervals,
history buckets.

Undefined is NaN, never 0; every mean says over how many it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.integer[Any]]
Labels = NDArray[np.bool_] | NDArray[np.integer[Any]] | NDArray[np.floating[Any]]
"""Numbers of any kind: 0/1, counts or weights."""

Style = Literal["ours", "recbole", "lenskit", "rectools"]
"""Whose definition of a list's metric counts, where tools differ."""
Bins = Literal["width", "mass"]

ROUNDS = 16
"""Rounds computed at once. OpenBLAS multiplies so thin a matrix several times faster than a taller
one, on whatever number of users, and it stays small.
"""
_ROUNDING = 1e-7
"""Relative rounding error of single precision."""
BUCKETS: tuple[tuple[str, int, int | None], ...] = (
    ("0", 0, 0),
    ("1-4", 1, 4),
    ("5-19", 5, 19),
    ("20-99", 20, 99),
    ("100+", 100, None),
)
"""Lengths of history: name, least and most events (None: no end)."""


def ratio(above: Labels, below: Labels | float, where: Bools | None = None) -> Floats:
    """above / below [n], NaN where below is 0 or `where` is False."""
    divisor = np.broadcast_to(np.asarray(below, dtype=np.float64), above.shape)
    able = divisor != 0 if where is None else where & (divisor != 0)
    out: Floats = np.full(above.shape, np.nan)
    np.divide(above, divisor, out=out, where=able)
    return out


def ndcg(
    hits: Bools, relevant_counts: Ints, k: int, style: Style = "ours", lengths: Ints | None = None
) -> Floats:
    """[users] binary discounted gain over the best that min(|R|, k) hits could have (Järvelin and
    Kekäläinen 2002).

    The discount of rank r (from 1) is 1 / log2(r + 1), LensKit's 1 / log2(max(r, 2)); RecTools'
    best is over k hits.
    """
    ranks = np.arange(1, k + 1)
    discount = 1 / np.log2(np.maximum(ranks, 2) if style == "lenskit" else ranks + 1)
    rows, places = np.nonzero(hits[:, :k])
    gained = np.bincount(rows, weights=discount[places], minlength=len(hits))
    best = np.concatenate([[0.0], np.cumsum(discount)])
    ideal = (
        np.full(len(hits), best[k]) if style == "rectools" else best[np.minimum(relevant_counts, k)]
    )
    return defined(ratio(gained, ideal), relevant_counts)


def defined(values: Floats, relevant_counts: Ints) -> Floats:
    """The values, with NaN for users without relevant items."""
    return np.asarray(np.where(relevant_counts > 0, values, np.nan), dtype=np.float64)


def rmse(true: Floats, predicted: Floats) -> float:
    """Root of the mean squared error, in the ratings' unit."""
    return float(np.sqrt(mean_or_nan(np.square(predicted - true))))


def mae(true: Floats, predicted: Floats) -> float:
    """Mean absolute error, in the ratings' unit."""
    return mean_or_nan(np.abs(predicted - true))


def ece(y: Labels, p: Floats, bins: int = 10, equal: Bins = "width") -> float:
    """Expected calibration error (Guo and others 2017): |share that happened - mean probability|,
    weighted by bin.

    bins: of equal `width` over [0, 1], right edge included, as in the paper; or of equal `mass`,
    each with as many cases as the next, equal probabilities kept in the order given.
    """
    if not len(p) or np.isnan(p).any():
        return float("nan")
    if equal == "mass":
        place = np.empty(len(p), dtype=np.int64)
        place[np.argsort(p, kind="stable")] = np.arange(len(p)) * bins // len(p)
    else:
        place = bins_of_width(p, bins)
    gap = np.bincount(place, weights=(y > 0) - p, minlength=bins)
    return float(np.abs(gap).sum() / len(p))


def bins_of_width(p: Floats, bins: int) -> NDArray[np.int64]:
    """[n] bin of each, of equal width over [0, 1]."""
    return np.searchsorted(np.arange(1, bins) / bins, p, side="left").astype(np.int64)


def mean_or_nan(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")


@dataclass(frozen=True)
class Mean:
    """A mean over users with its 95% bootstrap interval: NaN where `n` is 0, the interval where it
    is below 2.
    """

    mean: float
    low: float
    high: float
    n: int
    """Users with a defined value."""


def interval(
    values: Floats, rounds: int = 1000, seed: int = 0, weights: Labels | None = None
) -> Mean:
    """Mean of the defined [users] values with its percentile interval; see `intervals`."""
    return intervals(values[None], rounds, seed, weights)[0]


def intervals(
    values: Floats, rounds: int = 1000, seed: int = 0, weights: Labels | None = None
) -> list[Mean]:
    """Means with 95% bootstrap intervals of each row of [metrics, users], over the same resampled
    users.

    weights: [users], for pooled means such as an error over all predictions, Σ w v / Σ w. Users are
    drawn with replacement, `rounds` times as many as there are.
    """
    metrics, users = values.shape
    known = ~np.isnan(values)
    weight = np.ones(users) if weights is None else weights.astype(np.float64)
    below = known * weight
    size = below.sum(axis=1)
    filled = np.where(known, values, 0.0)
    centre = np.divide(
        (filled * weight).sum(axis=1), size, out=np.full(metrics, np.nan), where=size > 0
    )
    if not users:
        return [Mean(float("nan"), float("nan"), float("nan"), 0)] * metrics
    # Deviations from the mean, so that single precision is enough for the sums.
    above = below * (filled - np.nan_to_num(centre)[:, None])
    sums = np.concatenate([above, below]).astype(np.float32).T
    drawn = np.concatenate([counts @ sums for counts in resamples(users, rounds, seed)])
    weighed = drawn[:, metrics:]
    means = np.divide(
        drawn[:, :metrics],
        weighed,
        out=np.full(weighed.shape, np.nan, np.float32),
        where=weighed > 0,
    )
    out = []
    for row in range(metrics):
        n = int(known[row].sum())
        bounds = np.full(2, np.nan)
        # One user resampled is one user still, which would look like certainty.
        if n > 1 and size[row] > 0:
            own = values[row][known[row]]
            bounds = np.nanquantile(means[:, row].astype(np.float64), [0.025, 0.975]) + centre[row]
            # Of sums in single precision: a mean lies among its values, and what is as small as
            # their rounding is 0.
            bounds = np.clip(bounds, own.min(), own.max())
            bounds = np.where(np.abs(bounds) < _ROUNDING * np.abs(own).max(), 0.0, bounds)
        out.append(Mean(float(centre[row]), float(bounds[0]), float(bounds[1]), n))
    return out


def resamples(users: int, rounds: int, seed: int) -> Iterator[NDArray[np.float32]]:
    """[some rounds, users] how often each user is drawn, until all rounds are done."""
    random = np.random.default_rng(seed)
    for begin in range(0, rounds, ROUNDS):
        some = min(ROUNDS, rounds - begin)
        drawn = random.integers(0, users, size=(some, users), dtype=np.uint32)
        counts = np.empty((some, users), dtype=np.float32)
        for row in range(some):
            counts[row] = np.bincount(drawn[row], minlength=users)
        yield counts


def bucket_of(events: int) -> str:
    """The name of a length of history."""
    return next(
        name for name, low, high in BUCKETS if low <= events and (high is None or events <= high)
    )
