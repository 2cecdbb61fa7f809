"""Items alike by their attributes or by their texts' vectors, to what a user has had."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from agent.retrieve.base import History, weights_matrix

if TYPE_CHECKING:
    import scipy.sparse as sp

Weighing = Literal["all", "liked"]


@dataclass(frozen=True)
class Alike:
    """`traits` [items, traits], rows of length 1 (or 0): attributes weighed by rarity (sparse), or vectors (dense)."""

    traits: "sp.csr_array | NDArray[np.float32]"
    name: str
    half_life: float = np.inf
    weighing: Weighing = "all"
    """`liked` counts each event by its signal, so that dislikes take away; `all` counts every event."""

    def score(self, histories: Sequence[History]) -> NDArray[np.float32]:
        """Cosine-like nearness of each item to the weighted mean of the user's items."""
        weights = [h.recency(self.half_life) * (h.signal if self.weighing == "liked" else 1) for h in histories]
        asked = weights_matrix(histories, weights, self.traits.shape[0]) @ self.traits
        dense = np.asarray(asked if isinstance(asked, np.ndarray) else asked.todense(), dtype=np.float32)
        whole = np.array([max(float(np.abs(one).sum()), 1e-9) for one in weights], dtype=np.float32)
        return np.asarray((self.traits @ (dense / whole[:, None]).T).T, dtype=np.float32)

    def holds(self) -> str:
        return f"{self.traits.shape[1]:,} traits"
