"""Users like this one: cosine of histories, and what the nearest had (Resnick et al. 1994,
"GroupLens").
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from limner.core.interactions import Interactions
from limner.retrieve.base import History, Weighed, Weighing, seen_matrix

if TYPE_CHECKING:
    import scipy.sparse as sp

NEIGHBOURS = 100
USERS = 10_000
"""Users kept to compare with; those with the most events, where there are more."""


@dataclass(frozen=True)
class UserKNN(Weighing):
    """`users` [users, items] sparse, 1 where the user had the item."""

    users: "sp.csr_array"
    name: str = "similar_users"
    half_life: float = np.inf
    neighbours_used: int = NEIGHBOURS

    @property
    def learned(self) -> "sp.csr_array":
        return self.users

    @cached_property
    def _lengths(self) -> NDArray[np.float32]:
        """[users] of each kept user's row."""
        return np.asarray(np.sqrt(np.maximum(np.diff(self.users.indptr), 1)), dtype=np.float32)

    @cached_property
    def _holders(self) -> "sp.csr_array":
        """[items, users] the same matrix by item, so that only a history's own rows are read."""
        return self.users.T.tocsr()

    def weigh(self, history: History) -> NDArray[np.float32]:
        return history.recency(self.half_life)

    def spread(self, past: Sequence[Weighed]) -> NDArray[np.float32]:
        """Sum of the nearest users' cosines over those who had the item."""
        return np.stack([self._of(one) for one in past], axis=1)

    def _of(self, one: Weighed) -> NDArray[np.float32]:
        """[channels, items]."""
        length = np.maximum(np.sqrt(np.square(one.weights).sum(axis=0)), np.float32(1e-9))
        held = self._holders[one.items]
        met = self._met(held.indices)
        near = (held.T @ (one.weights / length))[met] / self._lengths[met, None]
        far = len(met) - self.neighbours_used
        if far > 0:
            near[near < np.partition(near, far, axis=0)[far]] = 0
        nearest = near.any(axis=1)
        return np.asarray((self.users[met[nearest]].T @ near[nearest]).T, dtype=np.float32)

    def _met(self, users: NDArray[np.integer]) -> NDArray[np.int64]:
        """Each of these users once, ascending: most of a crowd share no item with a history."""
        found = np.zeros(self.users.shape[0], dtype=bool)
        found[users] = True
        return np.flatnonzero(found)

    def holds(self) -> str:
        return f"{self.users.shape[0]:,} users"


def users_matrix(x: Interactions, users: int = USERS) -> "sp.csr_array":
    """[users, items] 1 where a user had an item, of the `users` with the most items; users without
    any are left out.
    """
    seen = seen_matrix(x)
    size = np.diff(seen.indptr)
    most = np.argsort(-size, kind="stable")[: min(users, int((size > 0).sum()))]
    return seen[np.sort(most)]
