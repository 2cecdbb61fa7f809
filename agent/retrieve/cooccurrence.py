"""Which users had which items, to count how many had both of two. Users are positions, without
ids.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limner.core.atomic import written_whole
from limner.core.errors import UNREADABLE
from limner.core.interactions import Interactions

_ARRAYS = ("starts", "users", "first", "last")


@dataclass(frozen=True)
class Holders:
    """The users of each item, with their first and last event on it as rows of all events in order
    of user and time.
    """

    item_ids: list[str]
    starts: NDArray[np.int64]
    """[items + 1] start of each item's users in the other three arrays."""
    users: NDArray[np.int32]
    """Ascending within an item."""
    first: NDArray[np.int32]
    last: NDArray[np.int32]

    @cached_property
    def positions(self) -> dict[str, int]:
        return {item_id: position for position, item_id in enumerate(self.item_ids)}

    def companions(self, first: str, second: str, in_order: bool = False) -> int:
        """How many users had both items; in_order: only those who had the second at some time after
        the first.
        """
        a, b = self.positions.get(first), self.positions.get(second)
        if a is None or b is None:
            return 0
        rows_a, rows_b = slice(*self.starts[a : a + 2]), slice(*self.starts[b : b + 2])
        users_a, users_b = self.users[rows_a], self.users[rows_b]
        if not len(users_a) or not len(users_b):
            return 0
        at = np.minimum(np.searchsorted(users_b, users_a), len(users_b) - 1)
        both = users_b[at] == users_a
        if in_order:
            both &= self.last[rows_b][at] > self.first[rows_a]
        return int(np.count_nonzero(both))

    def save(self, folder: Path) -> None:
        """A folder of `holders.npz` and `holders.json`, in place of what is there."""
        with written_whole(folder) as part:
            np.savez(part / "holders.npz", **{name: getattr(self, name) for name in _ARRAYS})
            (part / "holders.json").write_text(
                json.dumps(self.item_ids, ensure_ascii=False), encoding="utf-8"
            )


def load_holders(folder: Path) -> Holders | None:
    """The saved table; None where it cannot be read, since it can be derived again."""
    try:
        item_ids = json.loads((folder / "holders.json").read_text("utf-8"))
        with np.load(folder / "holders.npz", allow_pickle=False) as arrays:
            return Holders(item_ids, *(arrays[name] for name in _ARRAYS))
    except UNREADABLE:
        return None


def holders_of(x: Interactions) -> Holders:
    """The users of each item, from events sorted by (user, time, seq)."""
    row = np.arange(len(x), dtype=np.int32)
    order = np.lexsort((row, x.user, x.item))
    item, user = x.item[order], x.user[order]
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = (np.diff(item) != 0) | (np.diff(user) != 0)
    at = np.flatnonzero(begins)
    ends = np.append(at[1:], len(order)) - 1 if len(at) else at
    starts = np.searchsorted(item[at], np.arange(len(x.item_ids) + 1)).astype(np.int64)
    return Holders(list(x.item_ids), starts, user[at], row[order[at]], row[order[ends]])
