"""The similar-users channel: what users with the nearest histories (cosine) had (Resnick et al.
1994, "GroupLens").
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
"""Most users to compare with: those with the most items."""


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
        """[users] length of each user's row."""
        return np.asarray(np.sqrt(np.maximum(np.diff(self.users.indptr), 1)), dtype=np.float32)

    @cached_property
    def _holders(self) -> "sp.csr_array":
        """[items, users] `users` transposed: only the rows of a history's items are read."""
        return self.users.T.tocsr()

    def weigh(self, history: History) -> NDArray[np.float32]:
        return history.recency(self.half_life)

    def spread(self, past: Sequence[Weighed]) -> NDArray[np.float32]:
        """[channels, users, items] sum of the cosines of the nearest users who had the item."""
        return np.stack([self._of(user) for user in past], axis=1)

    def _of(self, past: Weighed) -> NDArray[np.float32]:
        """[channels, items] scores for one user."""
        length = np.maximum(np.sqrt(np.square(past.weights).sum(axis=0)), np.float32(1e-9))
        holders = self._holders[past.items]
        sharing = self._distinct(holders.indices)
        cosine = (holders.T @ (past.weights / length))[sharing] / self._lengths[sharing, None]
        beyond = len(sharing) - self.neighbours_used
        if beyond > 0:
            cosine[cosine < np.partition(cosine, beyond, axis=0)[beyond]] = 0
        nearest = cosine.any(axis=1)
        scores = self.users[sharing[nearest]].T @ cosine[nearest]
        return np.asarray(scores.T, dtype=np.float32)

    def _distinct(self, users: NDArray[np.integer]) -> NDArray[np.int64]:
        """Each of these user positions once, ascending; faster than np.unique."""
        present = np.zeros(self.users.shape[0], dtype=bool)
        present[users] = True
        return np.flatnonzero(present)

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
