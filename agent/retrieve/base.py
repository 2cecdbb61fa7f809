"""What every channel shares: a history, and the interface."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from limner.core.interactions import NO_TIME, Interactions

if TYPE_CHECKING:
    import scipy.sparse as sp

DISLIKED = -0.2
"""Signal below which an event says more against an item than for it."""


@dataclass(frozen=True)
class History:
    """One user's item events, oldest first, as the channels see them."""

    items: NDArray[np.int64]
    """[n] positions in the model's items; items that the model does not know are left out."""
    signal: NDArray[np.float32]
    """[n] in [-1, 1]."""
    now: int = int(NO_TIME)
    """The moment to recommend for, epoch milliseconds UTC; NO_TIME where none is known."""
    time: NDArray[np.int64] | None = None
    """[events] when the user did anything, epoch milliseconds UTC, NO_TIME where an event has none;
    None where no time is known. Channels do not look at it.
    """

    @cached_property
    def distinct(self) -> NDArray[np.int64]:
        """[different] positions of the items, ascending, each once."""
        return self.items[self._groups[0]][self._groups[1]]

    def largest(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """[different, k] of weights [n, k]: the largest that each item has."""
        order, first = self._groups
        return np.maximum.reduceat(weights[order], first, axis=0) if len(first) else weights

    @cached_property
    def _groups(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The order of events by item, and where in it each item begins."""
        order = np.argsort(self.items, kind="stable")
        return order, np.flatnonzero(np.diff(self.items[order], prepend=-1))

    def taste(self) -> NDArray[np.float32]:
        """[n] 1 where an event is a sign of taste, 0 where the item was disliked."""
        return np.asarray(self.signal >= DISLIKED, dtype=np.float32)

    def recency(self, half_life: float) -> NDArray[np.float32]:
        """[n] 1 for the last event, a half `half_life` events before it."""
        return recency(len(self.items), half_life)


@lru_cache(maxsize=200)
def recency(n: int, half_life: float) -> NDArray[np.float32]:
    """[n] weights of a history, oldest first: 1 for the last event, a half `half_life` events
    before it. Read only.
    """
    age = np.arange(n - 1, -1, -1, dtype=np.float32)
    found = np.asarray(np.power(0.5, age / half_life), dtype=np.float32)
    found.flags.writeable = False
    return found


class Channel(Protocol):
    """One way to find candidates."""

    @property
    def name(self) -> str: ...

    def score(self, histories: Sequence[History]) -> NDArray[np.float32]:
        """[users, items]; 0 where the channel is silent, higher is better."""

    def holds(self) -> str:
        """What it learned, in words."""


@dataclass(frozen=True)
class Weighed:
    """A history as several channels weigh it."""

    items: NDArray[np.int64]
    """[n] positions, each once; those that every channel leaves out are missing."""
    weights: NDArray[np.float32]
    """[n, channels]; an item met twice has its largest."""


class Weighing(ABC):
    """A channel that weighs a user's events and spreads the weights over the catalogue by something
    it learned.

    Channels of one kind that learned the same thing differ in how they weigh; `score_all` spreads
    for all at once.
    """

    name: str

    @property
    @abstractmethod
    def learned(self) -> "sp.csr_array | NDArray[np.float32]":
        """What `spread` uses, the same object for channels that share it."""

    @abstractmethod
    def weigh(self, history: History) -> NDArray[np.float32]:
        """[n] of each event; 0 leaves it out."""

    @abstractmethod
    def spread(self, past: Sequence[Weighed]) -> NDArray[np.float32]:
        """[channels, users, items] scores."""

    def score(self, histories: Sequence[History]) -> NDArray[np.float32]:
        """[users, items]; 0 where the channel is silent, higher is better."""
        return np.asarray(self.spread([weigh_all([[self]], one)[0] for one in histories])[0])


Kind = TypeVar("Kind", bound=Weighing)


def weigh_all(groups: Sequence[Sequence[Weighing]], history: History) -> list[Weighed]:
    """A history as the channels of each group, which learned the same, weigh it."""
    if not groups:
        return []
    weights = history.largest(
        np.stack([one.weigh(history) for alike in groups for one in alike], axis=1)
    )
    found, at = [], 0
    for alike in groups:
        own = weights[:, at : at + len(alike)]
        used = own.any(axis=1)
        found.append(Weighed(history.distinct[used], own[used]))
        at += len(alike)
    return found


@dataclass(frozen=True)
class ItemWeights(Weighing):
    """`weights` [items, items] sparse: how much the row's item speaks for the column's."""

    weights: "sp.csr_array"

    @property
    def learned(self) -> "sp.csr_array":
        return self.weights

    def spread(self, past: Sequence[Weighed]) -> NDArray[np.float32]:
        # User by user: a product of two sparse matrices takes three times as long.
        return np.stack([(self.weights[one.items].T @ one.weights).T for one in past], axis=1)

    def neighbours(self, history: History, items: NDArray[np.int64]) -> NDArray[np.float32]:
        """[n, items] what each event of the history adds to each item's score."""
        # Rows first: a column of all rows costs a pass over every weight.
        own = self.weights[history.items][:, items].toarray()
        return np.asarray(own * self.weigh(history)[:, None], dtype=np.float32)


def together(channels: Sequence[Kind]) -> list[list[Kind]]:
    """Those that learned the same, side by side."""
    shared: dict[tuple[type, int], list[Kind]] = {}
    for one in channels:
        shared.setdefault((type(one), id(one.learned)), []).append(one)
    return [*shared.values()]


def score_all(
    channels: Sequence[Channel], histories: Sequence[History]
) -> dict[str, NDArray[np.float32]]:
    """[users, items] by channel, in the channels' order."""
    found: dict[str, NDArray[np.float32]] = {}
    weighing = [one for one in channels if isinstance(one, Weighing)]
    for one in channels:
        if not isinstance(one, Weighing):
            found[one.name] = one.score(histories)
    groups = together(weighing)
    pasts = [weigh_all(groups, history) for history in histories]
    for at, alike in enumerate(groups):
        parts = alike[0].spread([past[at] for past in pasts])
        found.update(zip((one.name for one in alike), parts, strict=True))
    return {one.name: found[one.name] for one in channels}


@runtime_checkable
class Traced(Channel, Protocol):
    """A channel that can say which events of a history speak for an item."""

    def neighbours(self, history: History, items: NDArray[np.int64]) -> NDArray[np.float32]:
        """[n, items] what each event of the history adds to each item's score."""


def seen_matrix(x: Interactions) -> "sp.csr_array":
    """[users, items] sparse, 1 where the user had the item."""
    import scipy.sparse as sp

    seen = sp.csr_array(
        (np.ones(len(x), np.float32), (x.user, x.item)), shape=(len(x.user_ids), len(x.item_ids))
    )
    seen.data = np.ones_like(seen.data)
    return seen


def weights_matrix(
    histories: Sequence[History], weights: Sequence[NDArray[np.float32]], items: int
) -> "sp.csr_array":
    """[users, items] sparse; an item met twice keeps its largest weight, weights of 0 are left
    out.
    """
    import scipy.sparse as sp

    rows = np.repeat(np.arange(len(histories)), [len(h.items) for h in histories])
    columns = np.concatenate([h.items for h in histories]) if histories else np.empty(0, np.int64)
    data = np.concatenate(list(weights)) if histories else np.empty(0, np.float32)
    used = np.flatnonzero(data)
    cell = rows[used] * items + columns[used]
    order = np.lexsort((-data[used], cell))
    cell, data = cell[order], data[used][order]
    first = np.ones(len(cell), dtype=bool)
    first[1:] = cell[1:] != cell[:-1]
    cell, data = cell[first], data[first]
    ends = np.searchsorted(cell, np.arange(len(histories) + 1) * items)
    return sp.csr_array((data, cell % max(items, 1), ends), shape=(len(histories), items))


def keep_top(matrix: NDArray[np.float32], k: int) -> "sp.csr_array":
    """[rows, items] the k largest entries of each row by absolute value, sparse."""
    import scipy.sparse as sp

    n = matrix.shape[1]
    if k < n:
        size = np.abs(matrix)
        cut = np.partition(size, n - k, axis=1)[:, n - k : n - k + 1]
        matrix = np.where(size >= cut, matrix, 0)
    return sp.csr_array(matrix)
