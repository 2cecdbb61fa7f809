"""Events of a user's history that led to an item, channel by channel: the evidence for "because of
X".
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from limner.core.schema import Candidate, Event, Item
from limner.rank import Model
from limner.retrieve import ItemVectors

Link = Literal["next_item", "collaborative", "content"]
"""How an event led to an item: items that often follow it, items that the same users had, or items
with a similar description.
"""

EACH = 3
"""Events that one channel may name for an item."""
COMPANIONS = 2
"""Other users who must have had both items before a reason may speak of people."""
DEPTH = 100
"""Places of a channel's order that count: further down it lists an item, and does not recommend
it.
"""
_PLACE = 20.0

Companions = Callable[[str, str, bool], int]
"""(first item, second item, in order) -> other users who had both."""


@dataclass(frozen=True)
class Past:
    """A user's events, with their items and signals."""

    events: Sequence[Event]
    items: Mapping[str, Item]
    signal: Mapping[str, float]
    """Taste signal in [-1, 1] by event id."""
    rated: Sequence[tuple[str, float]] = ()
    """(item id, place on its scale in [-1, 1]) of the ratings."""

    @cached_property
    def taste(self) -> list[tuple[str, float]]:
        """(item id, signal) of the events that name an item, in the events' order."""
        return [(e.item_id, self.signal[e.event_id]) for e in self.events if e.item_id is not None]

    @cached_property
    def had(self) -> frozenset[str]:
        """Ids of the items that the events name, known or not."""
        return frozenset(item_id for item_id, _ in self.taste)


@dataclass(frozen=True)
class Attribution:
    """An event of the user that led a channel to an item."""

    event_id: str
    link: Link
    weight: float
    """In (0, 1]: how high the channel places the item, times the event's part in what the channel
    says for it.
    """


def channel_scores(candidates: Sequence[Candidate]) -> dict[str, dict[str, float]]:
    """By item id and channel, best channel first: 1 for the channel's best item, falling with its
    rank there.

    Only the first DEPTH of each channel are placed.
    """
    placed: dict[str, dict[str, float]] = {one.item_id: {} for one in candidates}
    for channel in dict.fromkeys(name for one in candidates for name in one.scores):
        scored = sorted(
            (-score, one.item_id)
            for one in candidates
            if (score := one.scores.get(channel, 0.0)) > 0
        )
        for rank, (_, item_id) in enumerate(scored[:DEPTH]):
            placed[item_id][channel] = _PLACE / (_PLACE + rank)
    return {
        item_id: dict(sorted(by.items(), key=lambda pair: -pair[1]))
        for item_id, by in placed.items()
    }


def attributions(
    item_ids: Sequence[str],
    past: Past,
    model: Model,
    vectors: ItemVectors,
    placed: Mapping[str, Mapping[str, float]],
    companions: Companions,
) -> dict[str, list[Attribution]]:
    """By item id, the events of the past that speak most for it, strongest first.

    placed: as `channel_scores` gives it, for the channels that found each item. What is said of
    other people is checked against them: without `COMPANIONS` who had both, in that order for what
    follows, a channel's weight is only arithmetic.
    """
    events = [event for event in past.events if event.item_id in past.items]
    known = [event for event in events if event.item_id in model.positions]
    traced = _traced(item_ids, known, past, model)
    item_of = {event.event_id: event.item_id or "" for event in events}
    seen = [event.item_id or "" for event in events]
    by_item: dict[str, list[Attribution]] = {}
    for item_id in item_ids:
        places = placed.get(item_id, {})
        leads = [
            lead
            for lead in _traced_leads(item_id, known, traced, places)
            if companions(item_of[lead.event_id], item_id, lead.link == "next_item") >= COMPANIONS
        ]
        if "content" in places:
            near = vectors.neighbours(seen, item_id).tolist()
            leads += _best(events, near, "", "content", places["content"])
        by_item[item_id] = sorted(leads, key=lambda lead: -lead.weight)
    return by_item


def _traced_leads(
    item_id: str,
    known: Sequence[Event],
    traced: Mapping[str, Mapping[str, list[float]]],
    places: Mapping[str, float],
) -> list[Attribution]:
    """Events that led to an item by the channels that learn from people's histories."""
    return [
        lead
        for name, parts in traced.items()
        if name in places and item_id in parts
        for lead in _best(known, parts[item_id], item_id, _LINKS[name], places[name])
    ]


def _traced(
    item_ids: Sequence[str], known: Sequence[Event], past: Past, model: Model
) -> dict[str, dict[str, list[float]]]:
    """By channel and item, what each of the known events adds to the item's score."""
    asked = [item_id for item_id in item_ids if item_id in model.positions]
    if not known or not asked:
        return {}
    history = model.history([(event.item_id or "", past.signal[event.event_id]) for event in known])
    at = np.array([model.positions[item_id] for item_id in asked], dtype=np.int64)
    return {
        channel.name: dict(zip(asked, channel.neighbours(history, at).T.tolist(), strict=True))
        for channel in model.channels.traced
    }


_LINKS: Mapping[str, Link] = {"next_item": "next_item", "collaborative": "collaborative"}


def _best(
    events: Sequence[Event], parts: Sequence[float], besides: str, link: Link, place: float
) -> list[Attribution]:
    """The events with the largest parts, one an item (its last), and none on the item `besides`."""
    parts = [
        0.0 if event.item_id == besides else part for event, part in zip(events, parts, strict=True)
    ]
    whole = float(np.maximum(parts, 0).sum())
    by_item: dict[str, tuple[float, str]] = {}
    for event, part in zip(events, parts, strict=True):
        if part > 0:
            held = by_item.get(event.item_id or "", (0.0, ""))[0]
            by_item[event.item_id or ""] = (held + part, event.event_id)
    best = sorted(by_item.values(), key=lambda pair: (-pair[0], pair[1]))[:EACH]
    return [Attribution(event_id, link, place * part / whole) for part, event_id in best]
