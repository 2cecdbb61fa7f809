"""What every channel shares: a history, and the interface."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from agent.interactions import NO_TIME

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

    def taste(self) -> NDArray[np.float32]:
        """[n] 1 where an event is a sign of taste, 0 where the item was disliked."""
        return np.asarray(self.signal >= DISLIKED, dtype=np.float32)

    def recency(self, half_life: float) -> NDArray[np.float32]:
        """[n] 1 for the last event, a half `half_life` events before it."""
        return recency(len(self.items), half_life)


def recency(n: int, half_life: float) -> NDArray[np.float32]:
    """[n] weights of a history, oldest first: 1 for the last event, a half `half_life` events before it."""
    age = np.arange(n - 1, -1, -1, dtype=np.float32)
    return np.asarray(np.power(0.5, age / half_life), dtype=np.float32)


class Channel(Protocol):
    """One way to find candidates."""

    @property
    def name(self) -> str: ...

    def score(self, histories: Sequence[History]) -> NDArray[np.float32]:
        """[users, items]; 0 where the channel is silent, higher is better."""

    def holds(self) -> str:
        """What it learned, in words."""


@runtime_checkable
class Traced(Channel, Protocol):
    """A channel that can say which events of a history speak for an item."""

    def neighbours(self, history: History, item: int) -> NDArray[np.float32]:
        """[n] what each event of the history adds to the item's score."""


def weights_matrix(histories: Sequence[History], weights: Sequence[NDArray[np.float32]], items: int) -> "sp.csr_array":
    """[users, items] sparse; an item met twice keeps its largest weight."""
    import scipy.sparse as sp

    rows = np.repeat(np.arange(len(histories)), [len(h.items) for h in histories])
    columns = np.concatenate([h.items for h in histories]) if histories else np.empty(0, np.int64)
    data = np.concatenate(list(weights)) if histories else np.empty(0, np.float32)
    order = np.lexsort((-data, columns, rows))
    rows, columns, data = rows[order], columns[order], data[order]
    first = np.ones(len(rows), dtype=bool)
    first[1:] = (rows[1:] != rows[:-1]) | (columns[1:] != columns[:-1])
    return sp.csr_array((data[first], (rows[first], columns[first])), shape=(len(histories), items))


def keep_top(matrix: NDArray[np.float32], k: int) -> "sp.csr_array":
    """[rows, items] the k largest entries of each row by absolute value, sparse."""
    import scipy.sparse as sp

    n = matrix.shape[1]
    if k < n:
        size = np.abs(matrix)
        cut = np.partition(size, n - k, axis=1)[:, n - k : n - k + 1]
        matrix = np.where(size >= cut, matrix, 0)
    return sp.csr_array(matrix)
