"""Users like this one: cosine of histories, and what the nearest had (Resnick et al. 1994, "GroupLens")."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agent.interactions import Interactions
from agent.retrieve.base import History, Weighing, seen_matrix

if TYPE_CHECKING:
    import scipy.sparse as sp

NEIGHBOURS = 100
USERS = 10_000
"""Users kept to compare with; those with the most events, where there are more."""


@dataclass(frozen=True)
class SimilarUsers(Weighing):
    """`users` [users, items] sparse, 1 where the user had the item."""

    users: "sp.csr_array"
    name: str = "similar_users"
    half_life: float = np.inf
    neighbours_used: int = NEIGHBOURS

    @property
    def learned(self) -> "sp.csr_array":
        return self.users

    @property
    def items(self) -> int:
        return int(self.users.shape[1])

    @cached_property
    def _lengths(self) -> NDArray[np.float32]:
        """[users] of each kept user's row."""
        return np.asarray(np.sqrt(np.maximum(np.diff(self.users.indptr), 1)), dtype=np.float32)

    def weigh(self, history: History) -> NDArray[np.float32]:
        return history.recency(self.half_life)

    def spread(self, weights: "sp.csr_array") -> NDArray[np.float32]:
        """Sum of the nearest users' cosines over those who had the item."""
        import scipy.sparse as sp

        kept, items = self.users.shape
        if not kept:
            return np.zeros((weights.shape[0], items), dtype=np.float32)
        near = np.asarray((self.users @ weights.T).todense(), dtype=np.float32).T / self._lengths
        length = np.sqrt(np.asarray(weights.multiply(weights).sum(axis=1))).reshape(-1, 1)
        near /= np.maximum(length, 1e-9).astype(np.float32)
        if kept > self.neighbours_used:
            cut = np.partition(near, kept - self.neighbours_used, axis=1)[:, kept - self.neighbours_used, None]
            near = np.where(near >= cut, near, 0)
        return np.asarray((sp.csr_array(near) @ self.users).todense(), dtype=np.float32)

    def holds(self) -> str:
        return f"{self.users.shape[0]:,} users"


def users_matrix(x: Interactions, users: int = USERS) -> "sp.csr_array":
    """[users, items] 1 where a user had an item, of the `users` with the most items; users without any are left out."""
    seen = seen_matrix(x)
    size = np.diff(seen.indptr)
    most = np.argsort(-size, kind="stable")[: min(users, int((size > 0).sum()))]
    return seen[np.sort(most)]
