"""Accuracy of ranked lists, as pure kernels: boolean hits in, one value per user out. Undefined is
NaN, never 0.

A list is a row of item positions, best first, padded with -1. R are a user's relevant items, k the
cut. Where tools differ, `style` says whose definition counts:

=========== ========================== ========== ================= =================
metric@k    ours                       recbole    lenskit           rectools
=========== ========================== ========== ================= =================
precision   hits / k                   as ours    hits / length     as ours
recall      hits / |R|                 as ours    hits / min(|R|,k) as ours
f1          of precision and recall    (has none) (has none)        as ours
hit, mrr    the same in all four
map         Σ precision@hit / min(|R|,k) as ours  / min(|R|,length) / |R|
ndcg        ideal over min(|R|, k)     as ours    as ours, but the  ideal over k
                                                  first two ranks
                                                  both weigh 1
=========== ========================== ========== ================= =================

`length` is how many items the list has, k at most; an empty list has no precision, f1 or map in
LensKit's style. A user with nothing relevant has no value in any style: RecTools leaves such users
out, RecBole never asks about them, and LensKit has NaN or an error, but for its precision, which
says 0. What is called F1 in LensKit's and RecBole's style is the harmonic mean of their precision
and recall. Ours are RecBole's: its `evaluator/metrics.py` (1.2) divides MAP by min(|R|, k), so that
a full list of hits scores 1, as `map_at_k` in Microsoft Recommenders does. LensKit is
`lenskit.metrics.ranking` (2025.8), RecTools `rectools.metrics` (0.19) with its default flags;
`tests/reference` runs all three.
"""

from collections.abc import Callable
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from limner.core.errors import UsageError
from limner.core.metrics import Bools, Floats, Ints, Style, defined, ndcg, ratio

STYLES: tuple[Style, ...] = get_args(Style)

_TABLE_BYTES = 1 << 21
"""Size of the lookup table in `hit_matrix`: about a core's own cache."""


def style_of(name: str) -> Style:
    """The style of that name. Raises UsageError for any other."""
    for style in STYLES:
        if style == name:
            return style
    raise UsageError("metric.unknown_style", name=name, names=", ".join(STYLES))


def hit_matrix(lists: Ints, indptr: Ints, indices: Ints) -> Bools:
    """[users, K] True where the item at that place of [users, K] lists is relevant to the user.

    User u's relevant items are `indices[indptr[u]:indptr[u + 1]]`, each named once. An item that a
    list names again counts where it stands first. Raises ValueError where the two are not of the
    same users.
    """
    users, width = lists.shape
    if len(indptr) != users + 1 or indptr[-1] != len(indices):
        raise ValueError(f"{users} lists, but relevant items of {len(indptr) - 1} users")
    items = 1 + max(int(lists.max(initial=-1)), int(indices.max(initial=-1)))
    columns = items + 1  # The first stands for the padding, -1, and is never set.
    step = max(1, _TABLE_BYTES // columns)
    table = np.zeros(step * columns, dtype=np.bool_)
    hits = np.empty((users, width), dtype=np.bool_)
    owner = np.repeat(np.arange(users), np.diff(indptr))
    for begin in range(0, users, step):
        end = min(begin + step, users)
        mine = slice(int(indptr[begin]), int(indptr[end]))
        places = (owner[mine] - begin) * columns + indices[mine] + 1
        table[places] = True
        looked = np.arange(end - begin)[:, None] * columns + 1 + lists[begin:end]
        np.take(table, looked, out=hits[begin:end])
        table[places] = False
    _drop_repeats(hits, lists, columns)
    return hits


def _drop_repeats(hits: Bools, lists: Ints, columns: int) -> None:
    rows, places = np.nonzero(hits)
    keys = rows * columns + lists[rows, places]
    first = np.unique(keys, return_index=True)[1]
    if len(first) < len(keys):
        again = np.ones(len(keys), dtype=np.bool_)
        again[first] = False
        hits[rows[again], places[again]] = False


def list_lengths(lists: Ints) -> NDArray[np.int64]:
    """[users] how many items each of [users, K] lists has before its padding."""
    return np.asarray(np.count_nonzero(lists >= 0, axis=1), dtype=np.int64)


def precision(
    hits: Bools, relevant_counts: Ints, k: int, style: Style = "ours", lengths: Ints | None = None
) -> Floats:
    """[users] share of the first k that is relevant; LensKit's: of those that the list has.

    hits: [users, K]. relevant_counts: [users] |R|. lengths: [users] of the lists, K where not
    given.
    """
    if style == "lenskit":
        return defined(ratio(_count(hits, k), _lengths(hits, k, lengths)), relevant_counts)
    return defined(_count(hits, k) / k, relevant_counts)


def recall(
    hits: Bools, relevant_counts: Ints, k: int, style: Style = "ours", lengths: Ints | None = None
) -> Floats:
    """[users] share of the relevant items that is among the first k; LensKit's: of as many of them
    as k lets in.
    """
    wanted = np.minimum(relevant_counts, k) if style == "lenskit" else relevant_counts
    return ratio(_count(hits, k), wanted)


def f1(
    hits: Bools, relevant_counts: Ints, k: int, style: Style = "ours", lengths: Ints | None = None
) -> Floats:
    """[users] harmonic mean of precision and recall; 0 where both are 0."""
    exact = precision(hits, relevant_counts, k, style, lengths)
    complete = recall(hits, relevant_counts, k, style, lengths)
    total = exact + complete
    return np.asarray(
        np.where(total == 0, 0.0, ratio(2 * exact * complete, total)), dtype=np.float64
    )


def hit(
    hits: Bools, relevant_counts: Ints, k: int, style: Style = "ours", lengths: Ints | None = None
) -> Floats:
    """[users] 1 where any of the first k is relevant, else 0."""
    return defined(np.asarray(hits[:, :k].any(axis=1), dtype=np.float64), relevant_counts)


def mrr(
    hits: Bools, relevant_counts: Ints, k: int, style: Style = "ours", lengths: Ints | None = None
) -> Floats:
    """[users] 1 / rank (from 1) of the first relevant item among the first k, 0 where there is
    none.
    """
    top = hits[:, :k]
    if not top.shape[1]:
        return defined(np.zeros(len(top)), relevant_counts)
    first = top.argmax(axis=1)
    return defined(
        np.where(top[np.arange(len(top)), first], 1 / (first + 1.0), 0.0), relevant_counts
    )


def map_(
    hits: Bools, relevant_counts: Ints, k: int, style: Style = "ours", lengths: Ints | None = None
) -> Floats:
    """[users] average precision: the sum of precision at each hit among the first k, over min(|R|,
    k).

    RecTools divides by |R| (its `divide_by_k=False`), LensKit by min(|R|, length).
    """
    rows, places = np.nonzero(hits[:, :k])
    # Hits come row by row, so the how-manieth a hit is in its row follows from where the row
    # begins.
    begins = np.searchsorted(rows, np.arange(len(hits)))
    nth = np.arange(len(rows)) - begins[rows] + 1
    gained = np.bincount(rows, weights=nth / (places + 1.0), minlength=len(hits))
    if style == "rectools":
        return ratio(gained, relevant_counts)
    most = _lengths(hits, k, lengths) if style == "lenskit" else float(k)
    return ratio(gained, np.minimum(relevant_counts, most))


ListKernel = Callable[[Bools, Ints, int, Style, Ints | None], Floats]
LIST_KERNELS: dict[str, ListKernel] = {
    "precision": precision,
    "recall": recall,
    "f1": f1,
    "hit": hit,
    "mrr": mrr,
    "map": map_,
    "ndcg": ndcg,
}
"""The kernels above by the names that `parse` reads."""


def _count(hits: Bools, k: int) -> Floats:
    return np.asarray(np.count_nonzero(hits[:, :k], axis=1), dtype=np.float64)


def _lengths(hits: Bools, k: int, lengths: Ints | None) -> Floats:
    size = np.full(len(hits), hits.shape[1]) if lengths is None else lengths
    return np.asarray(np.minimum(size, k), dtype=np.float64)
