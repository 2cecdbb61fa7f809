"""Items alike by their attributes or by their texts' vectors, to what a user has had."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from agent.retrieve.base import History, Weighing

if TYPE_CHECKING:
    import scipy.sparse as sp

Counting = Literal["all", "liked"]


@dataclass(frozen=True)
class Alike(Weighing):
    """`traits` [items, traits], rows of length 1 (or 0): attributes weighed by rarity (sparse), or vectors (dense)."""

    traits: "sp.csr_array | NDArray[np.float32]"
    name: str
    half_life: float = np.inf
    weighing: Counting = "all"
    """`liked` counts each event by its signal, so that dislikes take away; `all` counts every event."""

    @property
    def learned(self) -> "sp.csr_array | NDArray[np.float32]":
        return self.traits

    @property
    def items(self) -> int:
        return int(self.traits.shape[0])

    def weigh(self, history: History) -> NDArray[np.float32]:
        recency = history.recency(self.half_life)
        return np.asarray(recency * history.signal if self.weighing == "liked" else recency, dtype=np.float32)

    def spread(self, weights: "sp.csr_array") -> NDArray[np.float32]:
        """Nearness of each item to the weighted mean of the user's items: a cosine where all of them are alike."""
        asked = weights @ self.traits
        dense = np.asarray(asked if isinstance(asked, np.ndarray) else asked.todense(), dtype=np.float32)
        whole = np.maximum(np.asarray(np.abs(weights).sum(axis=1)).reshape(-1, 1), 1e-9).astype(np.float32)
        return np.asarray((self.traits @ (dense / whole).T).T, dtype=np.float32)

    def holds(self) -> str:
        return f"{self.traits.shape[1]:,} traits"
