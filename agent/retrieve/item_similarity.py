"""Items alike by their attributes or by their texts' vectors, to what a user has had."""

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
    """`traits` [items, traits], rows of length 1 (or 0): attributes weighed by rarity (sparse), or
    vectors (dense).
    """

    traits: "sp.csr_array | NDArray[np.float32]"
    name: str
    half_life: float = np.inf
    weighing: Counting = "all"
    """`liked` counts each event by its signal, so that dislikes take away; `all` counts every
    event.
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
        """Nearness of each item to the weighted mean of the user's items: a cosine where all of
        them are alike.
        """
        asked = np.stack([self._mean(one) for one in past])
        users, traits, channels = asked.shape
        near = self.traits @ asked.transpose(1, 0, 2).reshape(traits, users * channels)
        return np.asarray(near.reshape(-1, users, channels).transpose(2, 1, 0))

    def at(self, one: Weighed, items: NDArray[np.int64]) -> NDArray[np.float32]:
        """[channels, n] scores of a few items, as `spread` has them."""
        return np.asarray((self.traits[items] @ self._mean(one)).T)

    def _mean(self, one: Weighed) -> NDArray[np.float32]:
        """[traits, channels] of the user's items, by weight."""
        whole = np.maximum(np.abs(one.weights).sum(axis=0), np.float32(1e-9))
        return np.asarray(self.traits[one.items].T @ (one.weights / whole), dtype=np.float32)

    def holds(self) -> str:
        return f"{self.traits.shape[1]:,} traits"
