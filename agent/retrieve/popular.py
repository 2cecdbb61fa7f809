"""What many users have, and what many have lately."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.interactions import NO_TIME, Interactions
from agent.retrieve.base import DISLIKED, History

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


def fit_recent(x: Interactions, signal: NDArray[np.float32] | None = None) -> Popular:
    """Exponentially decayed counts; equal to `fit_popular` where the data has no times."""
    if signal is not None:
        x = x.take(signal >= DISLIKED)
    timed = x.time != NO_TIME
    if not timed.any():
        return Popular(fit_popular(x).share, "recent")
    last, first = int(x.time[timed].max()), int(x.time[timed].min())
    half_life = max((last - first) * _RECENT_SHARE, 1.0)
    weight = np.where(timed, np.power(0.5, (last - np.where(timed, x.time, first)) / half_life), 0.0)
    counts = np.bincount(x.item, weights=weight, minlength=len(x.item_ids))
    return Popular((counts / max(float(counts.max(initial=0.0)), 1e-9)).astype(np.float32), "recent")
