"""Browsing a catalogue: its most popular items, and an item's neighbours."""

from collections.abc import Collection, Sequence
from itertools import islice, takewhile
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from limner.core.schema import Item, Value
from limner.retrieve import ItemVectors
from limner.retrieve.cooccurrence import Holders

Near = Literal["text", "users"]


class PopularItem(Value):
    """An item and how many had it."""

    item: Item
    """The item, as the store has it now."""
    rank: int
    """1 is the most popular."""
    users: int
    """Different users who had it."""


class Neighbor(Value):
    """An item that is similar to another."""

    item: Item
    """The item, as the store has it now."""
    rank: int
    """1 is the most similar."""
    score: float
    """Cosine similarity of the two items' texts, or of the sets of users who had them."""


def most_had(holders: Holders, allowed: Collection[str], n: int) -> list[tuple[str, int]]:
    """(item id, users) of the n items that most users had, most first, ties in the catalogue's
    order.
    """
    users = np.diff(holders.starts)
    order = np.argsort(-users, kind="stable")
    most_first = ((holders.item_ids[at], int(users[at])) for at in order.tolist())
    had = takewhile(lambda item_users: item_users[1] > 0, most_first)
    return list(islice((pair for pair in had if pair[0] in allowed), n))


def near_in_text(vectors: ItemVectors, item_id: str) -> list[tuple[str, float]]:
    """(item id, cosine of texts) of every other item, nearest first; empty where the item has no
    vector.
    """
    here = vectors.positions.get(item_id)
    if here is None:
        return []
    return _ordered(vectors.item_ids, vectors.centred @ vectors.centred[here], here)


def near_in_users(holders: Holders, item_id: str) -> list[tuple[str, float]]:
    """(item id, cosine of the sets of users) of the other items with users in common, nearest
    first.
    """
    here = holders.positions.get(item_id)
    if here is None:
        return []
    size = np.diff(holders.starts)
    mine = np.zeros(int(holders.users.max(initial=-1)) + 1, dtype=bool)
    mine[holders.users[holders.starts[here] : holders.starts[here + 1]]] = True
    shared = np.concatenate([[0], np.cumsum(mine[holders.users])])
    both = shared[holders.starts[1:]] - shared[holders.starts[:-1]]
    cosine = both / np.sqrt(np.maximum(size * size[here], 1))
    ordered = _ordered(holders.item_ids, cosine.astype(np.float32), here)
    return [(item_id, value) for item_id, value in ordered if value > 0]


def _ordered(ids: Sequence[str], score: NDArray[np.float32], here: int) -> list[tuple[str, float]]:
    order = np.argsort(-score, kind="stable")
    return [(ids[at], float(score[at])) for at in order.tolist() if at != here]
