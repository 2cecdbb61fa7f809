"""Items similar to those a user has had, by their attributes or by their texts' vectors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from limner.retrieve.base import History, Weighed, Weighing

if TYPE_CHECKING:
    import scipy.sparse as sp

Counting = Literal["all", "liked"]


@dataclass(frozen=True)
class ItemSimilarity(Weighing):
    """Cosine of items to the weighted mean of the user's items.

    `traits` [items, traits], rows of length 1 (or 0): attributes weighted by rarity (sparse), or
    vectors (dense).
    """

    traits: "sp.csr_array | NDArray[np.float32]"
    name: str
    half_life: float = np.inf
    weighing: Counting = "all"
    """`liked`: an event's weight is its signal, so that dislikes lower scores; `all`: every event
    has weight 1.
    """

    @property
    def learned(self) -> "sp.csr_array | NDArray[np.float32]":
        return self.traits

    def weigh(self, history: History) -> NDArray[np.float32]:
        recency = history.recency(self.half_life)
        return np.asarray(
            recency * history.signal if self.weighing == "liked" else recency, dtype=np.float32
        )

    def spread(self, past: Sequence[Weighed]) -> NDArray[np.float32]:
        """[channels, users, items] product of each item with the weighted mean of the user's items,
        which is shorter than 1 where these differ.
        """
        means = np.stack([self._mean(user) for user in past])
        users, traits, channels = means.shape
        products = self.traits @ means.transpose(1, 0, 2).reshape(traits, users * channels)
        return np.asarray(products.reshape(-1, users, channels).transpose(2, 1, 0))

    def at(self, past: Weighed, items: NDArray[np.int64]) -> NDArray[np.float32]:
        """[channels, n] scores of a few items for one user, equal to those of `spread`."""
        return np.asarray((self.traits[items] @ self._mean(past)).T)

    def _mean(self, past: Weighed) -> NDArray[np.float32]:
        """[traits, channels] weighted mean of one user's items."""
        whole = np.maximum(np.abs(past.weights).sum(axis=0), np.float32(1e-9))
        return np.asarray(self.traits[past.items].T @ (past.weights / whole), dtype=np.float32)

    def holds(self) -> str:
        return f"{self.traits.shape[1]:,} traits"
