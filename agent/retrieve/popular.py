"""Popular items, over all time and recently."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from limner.core.interactions import NO_TIME, Interactions
from limner.retrieve.base import DISLIKED, History

CHECKPOINTS = 16
"""Times at which the sums of recent popularity are saved, where memory allows."""
_CELLS = 16_000_000
"""Most sums that are saved (64 MB), over half-lives, checkpoints and items. Fewer checkpoints make
a request slower, since more events are added up, and change no score.
"""
RECENT = 0.1
"""The half-life of recent popularity, as a share of the time that the data spans."""


@dataclass(frozen=True)
class PopularChannel:
    """Scores that are equal for all users: `share` [items], users who had the item over all
    users.
    """

    share: NDArray[np.float32]
    name: str = "popular"

    def score(self, histories: Sequence[History]) -> NDArray[np.float32]:
        return np.tile(self.share, (len(histories), 1))

    def holds(self) -> str:
        return f"{int((self.share > 0).sum()):,} items"


def fit_popular(x: Interactions, signal: NDArray[np.float32] | None = None) -> PopularChannel:
    """Fit on events; with `signal` [n], events that are dislikes are left out."""
    if signal is not None:
        x = x.take(signal >= DISLIKED)
    pairs = np.unique(x.user.astype(np.int64) * len(x.item_ids) + x.item)
    counts = np.bincount(pairs % max(len(x.item_ids), 1), minlength=len(x.item_ids))
    return PopularChannel((counts / max(len(x.user_ids), 1)).astype(np.float32))


@dataclass(frozen=True)
class EventStream:
    """Events by time, and the checkpoints at which sums over the events before are saved."""

    time: NDArray[np.int64]
    """[n] epoch milliseconds, ascending."""
    item: NDArray[np.int32]
    """[n]."""
    edges: NDArray[np.int64]
    """[checkpoints] epoch milliseconds, ascending, with about equally many events between them; the
    first before all events.
    """


@dataclass(frozen=True)
class RecentChannel:
    """Recent popularity at each user's time of request: counts that halve every `half_life`.

    The score of an item at a time is Σ 0.5^(age of event / half-life) over the events up to then,
    divided by the largest of all items. `heat` [checkpoints, items] is the sum at each of the
    stream's edges, over the events before it.
    """

    heat: NDArray[np.float32]
    stream: EventStream
    half_life: float
    """Milliseconds."""
    name: str = "recent"

    def score(self, histories: Sequence[History]) -> NDArray[np.float32]:
        scores = {now: self._at(now) for now in {history.now for history in histories}}
        return np.stack([scores[history.now] for history in histories])

    def from_now_on(self) -> "RecentChannel":
        """A smaller copy that scores requests from the last checkpoint on only."""
        stream, last = self.stream, self.stream.edges[-1]
        later = stream.time >= last
        return replace(
            self,
            heat=self.heat[-1:],
            stream=EventStream(stream.time[later], stream.item[later], stream.edges[-1:]),
        )

    def holds(self) -> str:
        return (
            f"half-life {_span(self.half_life)}" if len(self.stream.time) else "order without times"
        )

    def _at(self, now: int) -> NDArray[np.float32]:
        """[items], the largest 1."""
        return self._latest if now == NO_TIME else self._sum(now)

    @cached_property
    def _latest(self) -> NDArray[np.float32]:
        return self._sum(int(self.stream.time[-1]) if len(self.stream.time) else int(NO_TIME))

    def _sum(self, now: int) -> NDArray[np.float32]:
        stream = self.stream
        edge = max(int(np.searchsorted(stream.edges, now, side="right")) - 1, 0)
        total = self.heat[edge]
        if len(stream.time):
            first, last = np.searchsorted(stream.time, [stream.edges[edge], now + 1])
            since = np.power(0.5, (now - stream.time[first:last]) / self.half_life)
            total = total * np.float32(
                0.5 ** (max(now - int(stream.edges[edge]), 0) / self.half_life)
            )
            total = total + np.bincount(
                stream.item[first:last], weights=since, minlength=len(total)
            )
        return np.asarray(total / max(float(total.max(initial=0.0)), 1e-30), dtype=np.float32)


def fit_recent(
    x: Interactions,
    signal: NDArray[np.float32] | None = None,
    half_lives: Mapping[str, float] | None = None,
) -> list[RecentChannel]:
    """One channel for each of `half_lives`, by name and as shares of the time that the data spans;
    popularity over all time where events have no times.

    With `signal` [n], events that are dislikes are left out.
    """
    if signal is not None:
        x = x.take(signal >= DISLIKED)
    half_lives = half_lives or {"recent": RECENT}
    timed = np.flatnonzero(x.time != NO_TIME)
    if not len(timed):
        stream = EventStream(np.empty(0, np.int64), np.empty(0, np.int32), np.array([NO_TIME]))
        return [
            RecentChannel(fit_popular(x).share[None, :], stream, 1.0, name) for name in half_lives
        ]
    order = timed[np.argsort(x.time[timed], kind="stable")]
    time = x.time[order]
    affordable = max(_CELLS // max(len(half_lives) * len(x.item_ids), 1) - 1, 1)
    checkpoints = min(CHECKPOINTS, affordable)
    edges = np.unique(time[:: max(-(-len(time) // checkpoints), 1)])
    stream = EventStream(time, x.item[order], edges)
    span = max(int(time[-1] - time[0]), 1)
    return [
        _heated(stream, len(x.item_ids), share * span, name) for name, share in half_lives.items()
    ]


def _heated(stream: EventStream, items: int, half_life: float, name: str) -> RecentChannel:
    heat = np.zeros((len(stream.edges), items), dtype=np.float32)
    bounds = np.searchsorted(stream.time, stream.edges)
    for row in range(1, len(heat)):
        part = slice(bounds[row - 1], bounds[row])
        age = stream.edges[row] - stream.time[part]
        faded = heat[row - 1] * 0.5 ** ((stream.edges[row] - stream.edges[row - 1]) / half_life)
        heat[row] = faded + np.bincount(
            stream.item[part], weights=np.power(0.5, age / half_life), minlength=items
        )
    return RecentChannel(heat, stream, half_life, name)


_UNITS = (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1000))


def _span(milliseconds: float) -> str:
    """A time in the largest unit that it reaches, to three digits: "1.5 days", "44.5 seconds"."""
    name, unit = next((unit for unit in _UNITS if milliseconds >= unit[1]), _UNITS[-1])
    value = milliseconds / unit
    number = f"{value:.3g}" if value < 100 else f"{value:,.0f}"
    return f"{number} {name}{'' if number == '1' else 's'}"
