"""The interface of all channels, and the history they read."""

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
    """The time to recommend for, epoch milliseconds UTC; NO_TIME where none is known."""
    time: NDArray[np.int64] | None = None
    """[events] when the user did anything, epoch milliseconds UTC, NO_TIME where an event has none;
    None where no time is known. Channels do not look at it.
    """

    @cached_property
    def distinct(self) -> NDArray[np.int64]:
        """[different] positions of the items, ascending, each once."""
        return self.items[self._groups[0]][self._groups[1]]

    def largest(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """[different, k] the largest of the weights [n, k] that each item has."""
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
    weights = np.asarray(np.power(0.5, age / half_life), dtype=np.float32)
    weights.flags.writeable = False
    return weights


class Channel(Protocol):
    """One way to find candidates."""

    @property
    def name(self) -> str: ...

    def score(self, histories: Sequence[History]) -> NDArray[np.float32]:
        """[users, items]; 0 where the channel is silent, higher is better."""

    def holds(self) -> str:
        """The size of what it learned, in words."""


@dataclass(frozen=True)
class Weighed:
    """A history with the weights that several channels give its items."""

    items: NDArray[np.int64]
    """[n] positions, each once; items with weight 0 in every channel are left out."""
    weights: NDArray[np.float32]
    """[n, channels]; the largest of its events' weights where an item has several events."""


class Weighing(ABC):
    """A channel that weighs a user's events and spreads the weights over the catalogue by a matrix
    that it learned.

    Several channels can share one matrix and differ in their weights; `score_all` then multiplies
    by the matrix once for all of them.
    """

    name: str

    @property
    @abstractmethod
    def learned(self) -> "sp.csr_array | NDArray[np.float32]":
        """The matrix that `spread` uses; one object for all channels that share it."""

    @abstractmethod
    def weigh(self, history: History) -> NDArray[np.float32]:
        """[n] weight of each event; 0 leaves it out."""

    @abstractmethod
    def spread(self, past: Sequence[Weighed]) -> NDArray[np.float32]:
        """[channels, users, items] scores."""

    def score(self, histories: Sequence[History]) -> NDArray[np.float32]:
        """[users, items]; 0 where the channel is silent, higher is better."""
        past = [weigh_all([[self]], history)[0] for history in histories]
        return np.asarray(self.spread(past)[0])


Kind = TypeVar("Kind", bound=Weighing)


def weigh_all(groups: Sequence[Sequence[Weighing]], history: History) -> list[Weighed]:
    """For each group of channels with one matrix: the history with the group's weights."""
    if not groups:
        return []
    weights = history.largest(
        np.stack([channel.weigh(history) for group in groups for channel in group], axis=1)
    )
    ends = np.cumsum([len(group) for group in groups])
    weighed = []
    for own in np.split(weights, ends[:-1], axis=1):
        used = own.any(axis=1)
        weighed.append(Weighed(history.distinct[used], own[used]))
    return weighed


@dataclass(frozen=True)
class ItemWeights(Weighing):
    """A channel with `weights` [items, items], sparse: how much having the row's item raises the
    column's score.
    """

    weights: "sp.csr_array"

    @property
    def learned(self) -> "sp.csr_array":
        return self.weights

    def spread(self, past: Sequence[Weighed]) -> NDArray[np.float32]:
        # User by user: a product of two sparse matrices takes three times as long.
        return np.stack([(self.weights[user.items].T @ user.weights).T for user in past], axis=1)

    def neighbours(self, history: History, items: NDArray[np.int64]) -> NDArray[np.float32]:
        """[n, items] what each event of the history adds to each item's score."""
        # Rows are selected first: selecting columns of all rows would pass over every weight.
        own = self.weights[history.items][:, items].toarray()
        return np.asarray(own * self.weigh(history)[:, None], dtype=np.float32)


def together(channels: Sequence[Kind]) -> list[list[Kind]]:
    """The channels in groups that share one learned matrix."""
    groups: dict[tuple[type, int], list[Kind]] = {}
    for channel in channels:
        groups.setdefault((type(channel), id(channel.learned)), []).append(channel)
    return [*groups.values()]


def score_all(
    channels: Sequence[Channel], histories: Sequence[History]
) -> dict[str, NDArray[np.float32]]:
    """[users, items] by channel, in the channels' order."""
    scores: dict[str, NDArray[np.float32]] = {}
    weighing = [channel for channel in channels if isinstance(channel, Weighing)]
    for channel in channels:
        if not isinstance(channel, Weighing):
            scores[channel.name] = channel.score(histories)
    groups = together(weighing)
    pasts = [weigh_all(groups, history) for history in histories]
    for at, group in enumerate(groups):
        parts = group[0].spread([past[at] for past in pasts])
        scores.update(zip((channel.name for channel in group), parts, strict=True))
    return {channel.name: scores[channel.name] for channel in channels}


@runtime_checkable
class Traced(Channel, Protocol):
    """A channel that can say how much each event of a history adds to an item's score."""

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
    """[users, items] sparse: the largest weight of a user's events with an item; zeros are not
    stored.
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
