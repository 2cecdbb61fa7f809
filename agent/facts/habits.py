"""Three habits as numbers, and what is normal for them: the same code for one user and for a whole
population.

breadth     Shannon entropy of the user's values of the primary facet, divided by the log of how
            many values there are
            (Shannon 1948; Pielou's evenness 1966): 0 all on one value, 1 spread evenly.
novelty     of the later half of the user's items, the share whose combination of primary values the
            user had not had.
popularity  mean popularity rank of the user's items, 0 nobody's to 1 everybody's.

All three move with the length of a history, so a user is compared with users whose number of items
has the same logarithm to base two.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HABITS = ("breadth", "novelty", "popularity")
MAX_USERS = 20_000
"""Users from whom norms are taken, evenly spaced."""
MIN_ITEMS = 4
"""Items below which a user has no habits."""
MIN_PEERS = 20
"""Users that a length class must have; below, all users are the norm."""
_CLASSES = 24


@dataclass(frozen=True)
class Norms:
    """[classes + 1, habits, 3] mean, standard deviation and users by length class; the last row is
    over all users.
    """

    table: NDArray[np.float64]

    def of(self, habit: str, items: int) -> tuple[float, float] | None:
        """(mean, standard deviation) among users with about as many items; None where nothing is
        known.
        """
        at = HABITS.index(habit)
        for row in (_length_class(np.array([items]))[0], _CLASSES):
            mean, deviation, users = self.table[row, at]
            if users >= MIN_PEERS:
                return float(mean), float(deviation)
        return None


def measure(
    *,
    users: NDArray[np.int64],
    things: NDArray[np.int64],
    starts: NDArray[np.int64],
    codes: NDArray[np.int32],
    popularity: NDArray[np.float32],
    wanted: NDArray[np.bool_],
    user_count: int,
) -> NDArray[np.float64]:
    """[users, habits] from user-item pairs sorted by user, then by time; NaN where there is nothing
    to measure.

    `wanted` [values] marks the value codes of the primary facet.
    """
    result = np.full((user_count, len(HABITS)), np.nan)
    if not len(things):
        return result
    had = np.bincount(users, minlength=user_count)
    size = starts[things + 1] - starts[things]
    row = np.repeat(np.arange(len(things)), size)
    ends = np.cumsum(size)
    code = codes[
        np.repeat(starts[things], size) + np.arange(ends[-1]) - np.repeat(ends - size, size)
    ]
    keep = wanted[code] if len(wanted) else np.zeros(len(code), dtype=bool)
    row, code = row[keep], code[keep].astype(np.int64)
    values = int(wanted.sum())
    if values > 1 and len(row):
        cell, count = np.unique(users[row] * len(wanted) + code, return_counts=True)
        owner = cell // len(wanted)
        total = np.bincount(users[row], minlength=user_count)
        share = count / total[owner]
        entropy = np.bincount(owner, weights=-share * np.log(share), minlength=user_count)
        result[:, 0] = np.where(total > 0, entropy / np.log(values), np.nan)
        # A combination is the sum of its codes' fixed random numbers: order does not matter,
        # collisions are negligible.
        marks = np.random.default_rng(0).integers(1, 2**62, len(wanted))
        kind = np.zeros(len(things), dtype=np.int64)
        np.add.at(kind, row, marks[code])
        _, class_ = np.unique(kind, return_inverse=True)
        _, first = np.unique(users * (int(class_.max()) + 1) + class_, return_index=True)
        new = np.zeros(len(things))
        new[first] = 1
        begins = np.searchsorted(users, np.arange(user_count))
        later = (np.arange(len(things)) - begins[users]) >= (had[users] + 1) // 2
        later &= np.bincount(row, minlength=len(things)) > 0
        sized = np.bincount(users[later], minlength=user_count)
        fresh = np.bincount(users[later], weights=new[later], minlength=user_count)
        result[:, 1] = np.where(sized > 0, fresh / np.maximum(sized, 1), np.nan)
    rank = popularity[things].astype(np.float64)
    known = ~np.isnan(rank)
    ranked = np.bincount(users[known], minlength=user_count)
    result[:, 2] = np.where(
        ranked > 0,
        np.bincount(users[known], weights=rank[known], minlength=user_count)
        / np.maximum(ranked, 1),
        np.nan,
    )
    result[had < MIN_ITEMS] = np.nan
    return result


def build_norms(
    *,
    users: NDArray[np.int64],
    things: NDArray[np.int64],
    starts: NDArray[np.int64],
    codes: NDArray[np.int32],
    popularity: NDArray[np.float32],
    wanted: NDArray[np.bool_],
    user_count: int,
) -> Norms:
    """Norms from at most `MAX_USERS` of the population's users."""
    table = np.full((_CLASSES + 1, len(HABITS), 3), np.nan)
    table[:, :, 2] = 0
    active = np.unique(users)
    if len(active) > MAX_USERS:
        active = active[np.linspace(0, len(active) - 1, MAX_USERS).astype(np.int64)]
        mask = np.isin(users, active)
        users, things = users[mask], things[mask]
    habits = measure(
        users=users,
        things=things,
        starts=starts,
        codes=codes,
        popularity=popularity,
        wanted=wanted,
        user_count=user_count,
    )
    length = _length_class(np.bincount(users, minlength=user_count))
    for rows in range(len(HABITS)):
        known = ~np.isnan(habits[:, rows])
        for row in (*np.unique(length[known]), _CLASSES):
            peers = habits[known & ((length == row) | (row == _CLASSES)), rows]
            if len(peers):
                table[row, rows] = (peers.mean(), peers.std(), len(peers))
    return Norms(table)


def _length_class(items: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.minimum(np.log2(np.maximum(items, 1)).astype(np.int64), _CLASSES - 1)
