"""What in a user's own history led to an item, channel by channel: the ground of "because of X"."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from agent.rank import Model
from agent.retrieve import ItemVectors
from agent.schema import Candidate, Event, Item

Link = Literal["next_item", "collaborative", "content"]
"""What follows what; what the same people had; what is described alike."""

EACH = 3
"""Events that one channel may name for an item."""
COMPANIONS = 2
"""Other users who must have had both items before a reason may speak of people."""
DEPTH = 100
"""Places of a channel's order that count: further down it lists an item, and does not recommend it."""
_PLACE = 20.0

Companions = Callable[[str, str, bool], int]
"""(first item, second item, in order) -> other users who had both."""


@dataclass(frozen=True)
class Past:
    """What the user did."""

    events: Sequence[Event]
    items: Mapping[str, Item]
    signal: Mapping[str, float]
    """By event id."""

    @cached_property
    def taste(self) -> list[tuple[str, float]]:
        """(item id, signal) of the events that name an item, in the events' order."""
        return [(e.item_id, self.signal[e.event_id]) for e in self.events if e.item_id is not None]

    @cached_property
    def had(self) -> frozenset[str]:
        """Ids of the items that the events name, known or not."""
        return frozenset(item_id for item_id, _ in self.taste)


@dataclass(frozen=True)
class Lead:
    """An event of the user that led a channel to an item."""

    event_id: str
    link: Link
    weight: float
    """In (0, 1]: how high the channel places the item, times the event's part in what the channel says for it."""


def places(found: Sequence[Candidate]) -> dict[str, dict[str, float]]:
    """By item id and channel, best channel first: 1 for the channel's best item, falling with its rank there.

    Only the first DEPTH of each channel are placed.
    """
    placed: dict[str, dict[str, float]] = {one.item_id: {} for one in found}
    for channel in dict.fromkeys(name for one in found for name in one.scores):
        scored = sorted(found, key=lambda one: (-one.scores.get(channel, 0.0), one.item_id))
        for rank, one in enumerate(scored[:DEPTH]):
            if one.scores.get(channel, 0.0) > 0:
                placed[one.item_id][channel] = _PLACE / (_PLACE + rank)
    return {item_id: dict(sorted(by.items(), key=lambda pair: -pair[1])) for item_id, by in placed.items()}


def leads(
    item_ids: Sequence[str],
    past: Past,
    model: Model,
    vectors: ItemVectors,
    placed: Mapping[str, Mapping[str, float]],
    companions: Companions,
) -> dict[str, list[Lead]]:
    """By item id, the events of the past that speak most for it, strongest first.

    placed: as `places` gives it, for the channels that found each item. What is said of other people is checked against
    them: without `COMPANIONS` who had both, in that order for what follows, a channel's weight is only arithmetic.
    """
    events = [event for event in past.events if event.item_id in past.items]
    return {item_id: _of_one(item_id, events, past, model, vectors, placed.get(item_id, {}), companions)
            for item_id in item_ids}  # fmt: skip


def _of_one(
    item_id: str, events: Sequence[Event], past: Past, model: Model, vectors: ItemVectors,
    placed: Mapping[str, float], companions: Companions,
) -> list[Lead]:  # fmt: skip
    found: list[Lead] = []
    known = [event for event in events if event.item_id in model.positions and event.item_id != item_id]
    if item_id in model.positions and known:
        history = model.history([(event.item_id or "", past.signal[event.event_id]) for event in known])
        for channel in model.channels.traced:
            if channel.name in placed:
                parts = channel.neighbours(history, model.positions[item_id])
                found += _best(known, parts.tolist(), _LINKS[channel.name], placed[channel.name])
    if "content" in placed:
        nearness = vectors.neighbours([event.item_id or "" for event in events], item_id)
        found += _best(events, nearness.tolist(), "content", placed["content"])
    item_of = {event.event_id: event.item_id or "" for event in events}
    true = [
        lead for lead in found
        if lead.link == "content"
        or companions(item_of[lead.event_id], item_id, lead.link == "next_item") >= COMPANIONS
    ]  # fmt: skip
    return sorted(true, key=lambda lead: -lead.weight)


_LINKS: Mapping[str, Link] = {"next_item": "next_item", "collaborative": "collaborative"}


def _best(events: Sequence[Event], parts: Sequence[float], link: Link, place: float) -> list[Lead]:
    """The events with the largest parts, one an item (its last)."""
    whole = float(np.maximum(parts, 0).sum())
    by_item: dict[str, tuple[float, str]] = {}
    for event, part in zip(events, parts, strict=True):
        held = by_item.get(event.item_id or "", (0.0, ""))[0]
        if part > 0:
            by_item[event.item_id or ""] = (held + part, event.event_id)
    best = sorted(by_item.values(), key=lambda pair: (-pair[0], pair[1]))[:EACH]
    return [Lead(event_id, link, place * part / whole) for part, event_id in best]
