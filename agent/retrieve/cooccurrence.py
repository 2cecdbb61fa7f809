"""Who had what, for the question of how many had both of two items. Users are places in a table,
and have no ids.
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
    """By item its users, with the places of their first and last event on it among the user's own
    events.
    """

    item_ids: list[str]
    starts: NDArray[np.int64]
    """[items + 1] where each item's users begin in the other three."""
    users: NDArray[np.int32]
    """Ascending within an item."""
    first: NDArray[np.int32]
    last: NDArray[np.int32]

    @cached_property
    def positions(self) -> dict[str, int]:
        return {one: place for place, one in enumerate(self.item_ids)}

    def companions(self, first: str, second: str, in_order: bool = False) -> int:
        """How many users had both items; in_order: only those who had the second at some time after
        the first.
        """
        a, b = self.positions.get(first), self.positions.get(second)
        if a is None or b is None:
            return 0
        one, other = slice(*self.starts[a : a + 2]), slice(*self.starts[b : b + 2])
        mine, theirs = self.users[one], self.users[other]
        if not len(mine) or not len(theirs):
            return 0
        at = np.minimum(np.searchsorted(theirs, mine), len(theirs) - 1)
        both = theirs[at] == mine
        if in_order:
            both &= self.last[other][at] > self.first[one]
        return int(np.count_nonzero(both))

    def save(self, folder: Path) -> None:
        """A folder of `holders.npz` and `holders.json`, in place of what is there."""
        with written_whole(folder) as part:
            np.savez(part / "holders.npz", **{name: getattr(self, name) for name in _ARRAYS})
            (part / "holders.json").write_text(
                json.dumps(self.item_ids, ensure_ascii=False), encoding="utf-8"
            )


def load_holders(folder: Path) -> Holders | None:
    """None where there is none that can be read; it is derived, and made again."""
    try:
        item_ids = json.loads((folder / "holders.json").read_text("utf-8"))
        with np.load(folder / "holders.npz", allow_pickle=False) as held:
            return Holders(item_ids, *(held[name] for name in _ARRAYS))
    except UNREADABLE:
        return None


def holders_of(x: Interactions) -> Holders:
    """From events sorted by (user, time, seq)."""
    row = np.arange(len(x), dtype=np.int32)
    order = np.lexsort((row, x.user, x.item))
    item, user = x.item[order], x.user[order]
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = (np.diff(item) != 0) | (np.diff(user) != 0)
    at = np.flatnonzero(begins)
    ends = np.append(at[1:], len(order)) - 1 if len(at) else at
    starts = np.searchsorted(item[at], np.arange(len(x.item_ids) + 1)).astype(np.int64)
    return Holders(list(x.item_ids), starts, user[at], row[order[at]], row[order[ends]])
