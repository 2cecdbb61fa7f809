"""All item events of a population as columns: what facts, channels and the harness compute on.

One value, built by the store in one pass; no pandas, no objects per event.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

NO_TIME = np.int64(-(2**62))
"""Value in `time` of an event without a time."""


def milliseconds(time: datetime | None) -> int:
    """Epoch milliseconds UTC of a time; NO_TIME for None."""
    return int(NO_TIME) if time is None else round(time.timestamp() * 1000)


@dataclass(frozen=True)
class Interactions:
    """Events that name an item, sorted by (user, time, seq).

    `n` events, users and items coded as positions in `user_ids` and `item_ids`.
    """

    user_ids: list[str]
    item_ids: list[str]
    types: list[str]
    sources: list[str]
    user: NDArray[np.int32]
    """[n] position in `user_ids`."""
    item: NDArray[np.int32]
    """[n] position in `item_ids`."""
    type: NDArray[np.int16]
    """[n] position in `types`."""
    source: NDArray[np.int16]
    """[n] position in `sources`."""
    value: NDArray[np.float64]
    """[n] raw value, NaN where none."""
    time: NDArray[np.int64]
    """[n] epoch milliseconds UTC, NO_TIME where none."""
    seq: NDArray[np.int64]
    """[n] the store's sequence number; names the event."""

    def __len__(self) -> int:
        return len(self.user)

    def starts(self) -> NDArray[np.int64]:
        """[users + 1] where each user's events begin; user u's are `starts[u]:starts[u + 1]`."""
        return np.searchsorted(self.user, np.arange(len(self.user_ids) + 1)).astype(np.int64)

    def over(self, item_ids: Iterable[str]) -> "Interactions":
        """These events over a larger catalogue; items without an event come last."""
        known = set(self.item_ids)
        return replace(
            self, item_ids=[*self.item_ids, *(one for one in item_ids if one not in known)]
        )

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "Interactions":
        """Selected rows (mask or positions, order kept) over the same users and items."""
        return Interactions(
            self.user_ids,
            self.item_ids,
            self.types,
            self.sources,
            self.user[rows],
            self.item[rows],
            self.type[rows],
            self.source[rows],
            self.value[rows],
            self.time[rows],
            self.seq[rows],
        )
