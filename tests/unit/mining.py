"""What the facts tests share: a small population from rows, and its users' events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from limner.core.interactions import NO_TIME, Interactions
from limner.core.schema import Attributes, Event, Fact, Item, Scale
from limner.core.settings import SignalTable
from limner.core.signals import signals
from limner.facts import Population, UserFacts, build_population, mine_facts

START = datetime(2020, 1, 6, 12, tzinfo=UTC)
"""A Monday."""
TABLE = SignalTable()
SCALES = {"t": Scale(source="t", low=1, high=5)}
Row = tuple[str, str, str, float | None, float | None]
"""user, item, type, value, days after START."""


@dataclass(frozen=True)
class World:
    events: list[Event]
    items: list[Item]
    x: Interactions
    population: Population

    def of(self, user: str) -> list[Event]:
        return [event for event in self.events if event.user_id == user]

    def facts(self, user: str, *more: Event) -> UserFacts:
        return mine_facts([*self.of(user), *more], self.population, TABLE, SCALES)


def world(rows: Sequence[Row], items: Sequence[Item]) -> World:
    events = [
        event(f"e{seq}", user=user, item=item, type_=type_, value=value, days=days, seq=seq)
        for seq, (user, item, type_, value, days) in enumerate(rows, 1)
    ]
    x = columns(events, [item.item_id for item in items])
    return World(events, list(items), x, build_population(x, items, signals(x, TABLE, SCALES)))


def event(
    id_: str,
    *,
    user: str = "a",
    item: str | None = None,
    type_: str = "view",
    value: float | None = None,
    days: float | None = None,
    seq: int = 1,
    text: str = "",
    source: str = "t",
    context: Attributes | None = None,
) -> Event:
    return Event(
        event_id=id_,
        user_id=user,
        item_id=item,
        type=type_,
        value=value,
        text=text,
        source=source,
        seq=seq,
        timestamp=None if days is None else START + timedelta(days=days),
        context=context or {},
    )


def columns(events: Sequence[Event], item_ids: Sequence[str] = ()) -> Interactions:
    """What the store's `interactions` gives for these events."""
    named = [one for one in events if one.item_id is not None]
    users = list(dict.fromkeys(one.user_id for one in named))
    items = list(dict.fromkeys([*item_ids, *(one.item_id or "" for one in named)]))
    types = list(dict.fromkeys(one.type for one in named))
    sources = list(dict.fromkeys(one.source for one in named))
    time = np.array(
        [
            NO_TIME if one.timestamp is None else int(one.timestamp.timestamp() * 1000)
            for one in named
        ],
        np.int64,
    )
    user = np.array([users.index(one.user_id) for one in named], np.int32)
    seq = np.array([one.seq for one in named], np.int64)
    order = np.lexsort((seq, time, user))
    return Interactions(
        users,
        items,
        types,
        sources,
        user[order],
        np.array([items.index(one.item_id or "") for one in named], np.int32)[order],
        np.array([types.index(one.type) for one in named], np.int16)[order],
        np.array([sources.index(one.source) for one in named], np.int16)[order],
        np.array([np.nan if one.value is None else one.value for one in named], np.float64)[order],
        time[order],
        seq[order],
    )


def fact(found: UserFacts, value: str) -> Fact:
    return next(one for one in found.facts if one.value == value)


def values(found: UserFacts) -> list[str]:
    return [one.value for one in found.facts]
