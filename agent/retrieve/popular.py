"""What many users have, and what many have lately."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.interactions import NO_TIME, Interactions
from agent.retrieve.base import DISLIKED, History

BUCKETS = 64
"""Moments at which recent popularity is kept."""
_RECENT_SHARE = 0.1
"""The half-life of recent popularity, as a share of the time that the data spans."""


@dataclass(frozen=True)
class Popular:
    """The same for everyone: `share` [items], users who had the item over all users."""

    share: NDArray[np.float32]
    name: str = "popular"

    def score(self, histories: Sequence[History]) -> NDArray[np.float32]:
        return np.tile(self.share, (len(histories), 1))

    def holds(self) -> str:
        return f"{int((self.share > 0).sum()):,} items"


def fit_popular(x: Interactions, signal: NDArray[np.float32] | None = None) -> Popular:
    """Users who had an item, over all users; with `signal` [n] events that speak against the item are left out."""
    if signal is not None:
        x = x.take(signal >= DISLIKED)
    pairs = np.unique(x.user.astype(np.int64) * len(x.item_ids) + x.item)
    counts = np.bincount(pairs % max(len(x.item_ids), 1), minlength=len(x.item_ids))
    return Popular((counts / max(len(x.user_ids), 1)).astype(np.float32))


@dataclass(frozen=True)
class Recent:
    """What many have had of late, at the moment of each user: decayed counts by bucket of time.

    `heat` [buckets, items], the largest of each row 1; bucket b holds what happened up to the end of
    `[start + b width, start + (b + 1) width)`.
    """

    heat: NDArray[np.float32]
    start: int
    width: int
    """Epoch milliseconds, and milliseconds."""
    name: str = "recent"

    def score(self, histories: Sequence[History]) -> NDArray[np.float32]:
        last = len(self.heat) - 1
        at = [last if h.now == NO_TIME else min(max((h.now - self.start) // self.width, 0), last) for h in histories]
        return self.heat[np.array(at, dtype=np.int64)]

    def holds(self) -> str:
        return f"{len(self.heat)} moments"


def fit_recent(
    x: Interactions,
    signal: NDArray[np.float32] | None = None,
    *,
    half_life: float = _RECENT_SHARE,
    name: str = "recent",
) -> Recent:
    """Counts by time, halved every `half_life` of the time that the data spans; one bucket where it has no times."""
    if signal is not None:
        x = x.take(signal >= DISLIKED)
    items = len(x.item_ids)
    timed = x.time != NO_TIME
    if not timed.any():
        return Recent(fit_popular(x).share[None, :], 0, 1, name)
    start, end = int(x.time[timed].min()), int(x.time[timed].max())
    width = (end - start) // BUCKETS + 1
    heat = np.zeros((BUCKETS, items), dtype=np.float32)
    np.add.at(heat, ((x.time[timed] - start) // width, x.item[timed]), 1)
    keep = 0.5 ** (1 / max(half_life * BUCKETS, 1e-9))
    for bucket in range(1, BUCKETS):
        heat[bucket] += keep * heat[bucket - 1]
    return Recent(heat / np.maximum(heat.max(axis=1, keepdims=True), 1e-9), start, width, name)
