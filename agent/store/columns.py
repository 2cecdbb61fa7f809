"""Column-wise values for loading into the store in bulk, and for reading back."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MASK = (1 << 63) - 1


def event_hash(event_id: str) -> int:
    """63 bits that stand for an event id. A made id is its own hash in 16 hex digits.

    Two different ids share a hash with a probability of about n^2 / 2^64 over n events (1e-6 at 5
    million).
    """
    if len(event_id) == 16:
        try:
            return int(event_id, 16) & _MASK
        except ValueError:
            pass
    return int.from_bytes(hashlib.blake2b(event_id.encode(), digest_size=8).digest(), "big") & _MASK


def made_id(hash_: int) -> str:
    """The text of a made event id."""
    return f"{hash_:016x}"


@dataclass(frozen=True)
class EventColumns:
    """One chunk of clean events, n rows, all of one source."""

    event_id: list[str] | None
    """Ids that the data brought; None where ids are made."""
    id_hash: NDArray[np.int64]
    """[n] `event_hash` of the ids."""
    user_id: list[str]
    item_id: list[str | None]
    type: list[str]
    value: NDArray[np.float64]
    """[n] NaN where none."""
    time: NDArray[np.int64]
    """[n] epoch milliseconds UTC, NO_TIME where none."""
    text: list[str]
    source: str
    context: list[str]
    """Compact JSON objects, "" where none."""


@dataclass(frozen=True)
class Added:
    kept: int = 0
    merged: int = 0

    def __add__(self, other: "Added") -> "Added":
        return Added(self.kept + other.kept, self.merged + other.merged)


@dataclass(frozen=True)
class Counts:
    users: int
    items: int
    events: int
    profiles: int


@dataclass(frozen=True)
class State:
    """Counters of a store's contents. Equal states hold the same users, items and events."""

    revision: int
    """Counts up whenever events, items or users change."""
    users: int
    """Users that were added or changed, ever."""
    items: int
    """Items that were added or changed, ever."""
    events: int
    """Number of the newest event."""
    erased: int
    """Users and single events that were erased or corrected, ever."""
