"""What accuracy does not show: coverage, novelty, diversity, serendipity, popularity bias and
calibration.

Lists are [users, K] item positions, best first, padded with -1. Per-user kernels give NaN where a
list has nothing to measure; means are over the items that the first k of a list has, not over k.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from limner.core.metrics import Bools, Floats, Ints, Labels, ratio

Distance = Literal["cosine", "hamming"]

_CELLS = 1 << 22
"""Most numbers of an intermediate matrix in memory at once."""


def coverage(lists: Ints, n_items: int, k: int | None = None) -> float:
    """Share of the catalogue of `n_items` that is in any list; NaN for an empty catalogue."""
    if not n_items:
        return float("nan")
    return int(np.count_nonzero(_times_listed(lists, n_items, k))) / n_items


def user_coverage(lists: Ints, k: int | None = None) -> float:
    """Share of the users whose list has an item at all; NaN without users."""
    return float((lists[:, :k] >= 0).any(axis=1).mean()) if len(lists) else float("nan")


def novelty(lists: Ints, share: Floats, k: int, users: int | None = None) -> Floats:
    """[users] mean self-information, -log2 of the share of users who had the item (Zhou and others
    2010).

    share: [items] of the training's users, from 0 to 1. An item that nobody had counts as had by
    one of `users`, or where that is not given as the rarest item that somebody had. With `users`,
    RecTools' MIUF.
    """
    had = share[share > 0]
    least = 1 / users if users else (float(had.min()) if len(had) else float("nan"))
    return _list_mean(lists, -np.log2(np.where(share > 0, share, least)), k)


def arp(lists: Ints, counts: Ints, k: int) -> Floats:
    """[users] average recommendation popularity: mean of the items' training events `counts`
    [items] (Yin 2012).
    """
    return _list_mean(lists, counts.astype(np.float64), k)


def gini(lists: Ints, n_items: int, k: int | None = None) -> float:
    """Inequality of how often each item of the catalogue is listed: 0 all alike, towards 1 a few
    have it all.

    Σ (2i - n - 1) c_i / (n Σ c) over counts c in rising order (RecBole's GiniIndex, LensKit's
    ListGini). NaN where nothing is listed.
    """
    counts = np.sort(_times_listed(lists, n_items, k))
    total = int(counts.sum())
    if not total:
        return float("nan")
    return float(((2 * np.arange(1, n_items + 1) - n_items - 1) * counts).sum() / (n_items * total))


def serendipity(lists: Ints, hits: Bools, relevant_counts: Ints, counts: Ints, k: int) -> Floats:
    """[users] mean over the list of max(p - p_any, 0) at its hits: relevant, and less expected than
    popularity has it.

    As RecTools: p = (n + 1 - rank) / n for the place in the list, p_any the same for the place by
    popularity (items with equal `counts` [items] share a place and leave no gap), 0 for items
    nobody had; n the catalogue's size, `len(counts)`. NaN for an empty list and for users with
    nothing relevant, where RecTools has 0.
    """
    items = len(counts)
    levels = np.unique(counts[counts > 0])[::-1]
    place = len(levels) - np.searchsorted(levels[::-1], counts)
    expected = np.where(counts > 0, (items + 1 - place) / items, 0.0)
    rows, ranks = np.nonzero(hits[:, :k])
    surprise = np.maximum((items - ranks) / items - expected[lists[rows, ranks]], 0.0)
    total = np.bincount(rows, weights=surprise, minlength=len(lists))
    size = np.count_nonzero(lists[:, :k] >= 0, axis=1)
    return ratio(total, size, where=relevant_counts > 0)


def ild(lists: Ints, features: Labels, k: int, distance: Distance = "cosine") -> Floats:
    """[users] intra-list diversity: mean distance over all pairs of the first k items (Ziegler and
    others 2005).

    features: [items, features], 0/1 or real. distance: `cosine`, 1 - cos, from 0 to 2; `hamming`,
    in how many of 0/1 features the two differ (RecTools' ILD). An item without any feature has no
    direction and is left out under `cosine`. Fewer than two items: NaN (RecTools has 0).

    Pairs are never formed: cos summed over pairs is (|Σv|² - n) / 2 for unit vectors v, and a
    feature that c of n items have differs in c(n - c) pairs. So the cost grows with k, not k².
    """
    vectors = features.astype(np.float64)
    known = np.ones(len(vectors), dtype=np.bool_)
    if distance == "cosine":
        length = np.sqrt(np.square(vectors).sum(axis=1))
        known = length > 0
        vectors = vectors / np.where(known, length, 1.0)[:, None]
    out = np.empty(len(lists))
    for rows, sums, n in _list_sums(lists[:, :k], vectors, known):
        pairs = n * (n - 1.0) / 2
        if distance == "cosine":
            far = pairs - (np.square(sums).sum(axis=1) - n) / 2
        else:
            far = (sums * (n[:, None] - sums)).sum(axis=1)
        out[rows] = ratio(far, pairs)
    return out


def calibration_kl(
    lists: Ints, indptr: Ints, indices: Ints, features: Labels, k: int, alpha: float = 0.01
) -> Floats:
    """[users] Kullback-Leibler divergence of a list's categories from those of the history, in nats
    (Steck 2018).

    User u's history is `indices[indptr[u]:indptr[u + 1]]`, item positions. features: [items,
    categories], 0/1 or weights; each item spreads one unit over its categories, items without any
    are left out. p is their mean over the history, q over the first k of the list; Σ p ln(p / ((1 -
    alpha) q + alpha p)). 0 is perfectly calibrated, -ln alpha the worst. NaN where the history or
    the list has no categorised item.
    """
    weights = features.astype(np.float64)
    total = weights.sum(axis=1)
    known = total > 0
    weights = weights / np.where(known, total, 1.0)[:, None]
    out = np.empty(len(lists))
    for rows, sums, n in _list_sums(lists[:, :k], weights, known):
        mine = slice(int(indptr[rows.start]), int(indptr[rows.stop]))
        owner = np.repeat(
            np.arange(rows.stop - rows.start), np.diff(indptr[rows.start : rows.stop + 1])
        )
        had = indices[mine]
        size = np.bincount(owner, weights=known[had], minlength=len(n))
        past = (
            np.stack(
                [np.bincount(owner, weights=column[had], minlength=len(n)) for column in weights.T],
                axis=1,
            )
            if weights.shape[1]
            else np.zeros((len(n), 0))
        )
        p = past / np.maximum(size, 1)[:, None]
        q = (1 - alpha) * sums / np.maximum(n, 1)[:, None] + alpha * p
        parts = p * np.log(np.divide(p, q, out=np.ones_like(p), where=p > 0))
        out[rows] = np.where((size > 0) & (n > 0), parts.sum(axis=1), np.nan)
    return out


def _times_listed(lists: Ints, n_items: int, k: int | None) -> NDArray[np.int64]:
    top = lists[:, :k]
    return np.bincount(top[top >= 0], minlength=n_items).astype(np.int64)


def _list_mean(lists: Ints, values: Floats, k: int) -> Floats:
    """[users] mean of the items' values [items] over the first k of each list; NaN for an empty
    one.
    """
    top = lists[:, :k]
    # -1 takes the last place of the table, which holds 0.
    total = np.append(values, 0.0)[top].sum(axis=1)
    size = np.count_nonzero(top >= 0, axis=1)
    return ratio(total, size)


def _list_sums(
    lists: Ints, vectors: Floats, known: Bools
) -> Iterator[tuple[slice, Floats, NDArray[np.int64]]]:
    """Some rows at a time: (rows, [rows, features] sum of their known items' vectors, [rows] how
    many those are).
    """
    table = np.concatenate(
        [np.where(known[:, None], vectors, 0.0), np.zeros((1, vectors.shape[1]))]
    )
    is_listed = np.append(known, False)
    step = max(1, _CELLS // max(1, lists.shape[1] * table.shape[1]))
    for begin in range(0, len(lists), step):
        rows = slice(begin, min(begin + step, len(lists)))
        yield (
            rows,
            table[lists[rows]].sum(axis=1),
            np.count_nonzero(is_listed[lists[rows]], axis=1).astype(np.int64),
        )
