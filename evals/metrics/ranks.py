"""Accuracy from full rows of scores: exact with ties, where a list would break them by chance."""

from typing import Literal

import numpy as np

from limner.core.metrics import Floats, Ints, ratio

Ties = Literal["half", "first", "last"]


def midranks(scores: Floats, target: Ints, ties: Ties = "half") -> Floats:
    """[users] 0-based rank of each user's target among [users, items] scores; -inf is out.

    ties: an item with the target's score counts half before it (`half`), the target comes `first`,
    or `last`.
    """
    own = np.take_along_axis(scores, target[:, None], axis=1)
    above = (scores > own).sum(axis=1)
    equal = (scores == own).sum(axis=1) - 1
    return np.asarray(
        above + equal * {"half": 0.5, "first": 0.0, "last": 1.0}[ties], dtype=np.float64
    )


def rank_hit(ranks: Floats, k: int) -> Floats:
    """[users] 1 where the one relevant item's 0-based rank is within k."""
    return (ranks < k).astype(np.float64)


def rank_ndcg(ranks: Floats, k: int) -> Floats:
    """[users] with one relevant item: 1 / log2(rank + 2) within k, else 0 (Järvelin and Kekäläinen
    2002).
    """
    return np.where(ranks < k, 1 / np.log2(ranks + 2), 0.0)


def auc(scores: Floats, indptr: Ints, indices: Ints) -> Floats:
    """[users] chance that a relevant item scores above one that is not, ties half (Mann and Whitney
    1947).

    scores: [users, items], -inf for items out of the ranking. User u's relevant items are
    `indices[indptr[u]:indptr[u + 1]]`; one that is itself out loses against every candidate. NaN
    for a user with nothing relevant or with no other candidate.
    """
    out = np.full(len(scores), np.nan)
    for user, row in enumerate(scores):
        relevant = indices[indptr[user] : indptr[user + 1]]
        others = np.delete(row, relevant)
        others = others[others > -np.inf]
        if len(relevant) and len(others):
            own = np.sort(row[relevant])
            above = np.searchsorted(own, others, side="left") + np.searchsorted(
                own, others, side="right"
            )
            out[user] = 1 - above.sum() / (2 * len(own) * len(others))
    return out


def rank_auc(ranks: Floats, candidates: Ints) -> Floats:
    """[users] AUC for a single relevant item, from its 0-based midrank among [users] candidates,
    itself included.
    """
    others = candidates - 1.0
    return ratio(others - ranks, others)
