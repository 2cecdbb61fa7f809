"""Ranking metrics as pure kernels on arrays. Undefined is NaN, never 0.

The kernels take the 0-based rank of the one relevant item of each user (leave-last-out) or boolean hits at each
position; `mean` states over how many users it is.
"""

import numpy as np
from numpy.typing import NDArray

Ranks = NDArray[np.float64]


def midranks(scores: NDArray[np.float64], target: NDArray[np.int64]) -> Ranks:
    """[users] 0-based rank of each user's target among [users, items] scores; ties count half; -inf is out."""
    own = np.take_along_axis(scores, target[:, None], axis=1)
    above = (scores > own).sum(axis=1)
    equal = (scores == own).sum(axis=1) - 1
    return np.asarray(above + equal / 2, dtype=np.float64)


def hit(ranks: Ranks, k: int) -> NDArray[np.float64]:
    """[users] 1 where the relevant item is among the first k."""
    return (ranks < k).astype(np.float64)


def ndcg(ranks: Ranks, k: int) -> NDArray[np.float64]:
    """[users] with one relevant item: 1 / log2(rank + 2) within k, else 0 (Järvelin and Kekäläinen 2002)."""
    return np.where(ranks < k, 1 / np.log2(ranks + 2), 0.0)


def hit_lists(hits: NDArray[np.bool_], relevant: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    """[users] 1 where any of the first k of [users, >=k] is relevant; NaN for users with nothing relevant."""
    return np.where(relevant > 0, hits[:, :k].any(axis=1), np.nan)


def ndcg_lists(hits: NDArray[np.bool_], relevant: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    """[users] binary NDCG with the ideal over min(|R|, k), as RecBole has it; NaN for users with nothing relevant."""
    discount = 1 / np.log2(np.arange(2, k + 2))
    gain = (hits[:, :k] * discount[: hits[:, :k].shape[1]]).sum(axis=1)
    ideal = np.concatenate([[0.0], np.cumsum(discount)])[np.minimum(relevant, k)]
    return np.asarray(np.where(ideal > 0, gain / np.where(ideal > 0, ideal, 1.0), np.nan), dtype=np.float64)


def coverage(lists: NDArray[np.int64], items: int) -> float:
    """Share of the catalogue that appears in any list; NaN for an empty catalogue."""
    return len(np.unique(lists[lists >= 0])) / items if items else float("nan")


def mean(values: NDArray[np.float64], *, seed: int = 0, rounds: int = 1000) -> tuple[float, tuple[float, float], int]:
    """(mean, 95% bootstrap interval over users, n) of the defined values."""
    defined = values[~np.isnan(values)]
    if not len(defined):
        return float("nan"), (float("nan"), float("nan")), 0
    random = np.random.default_rng(seed)
    draws = np.array([defined[random.integers(0, len(defined), len(defined))].mean() for _ in range(rounds)])
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(defined.mean()), (float(low), float(high)), len(defined)
