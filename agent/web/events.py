"""Events as a person reads them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from limner.core.schema import Event, Item, Scale
from limner.core.signals import RATED_TYPES
from limner.explain.attribution import Past
from limner.facts import is_strike
from limner.recommend.edits import thumb_of
from limner.state.event_counts import NEUTRAL
from limner.state.snapshots import CatalogueSnapshot
from limner.web.words import Words

Tone = Literal["good", "bad", "plain"]
"""Taste of an event: positive, negative or neither."""


@dataclass(frozen=True)
class Seen:
    """One event, in words."""

    key: str
    """Identifier of the event on the page."""
    event_id: str
    day: str
    moment: str
    """Time in ISO 8601, for programs; empty for an event without a time."""
    type: str
    title: str
    value: str
    text: str
    tone: Tone
    number: float | None = None
    """The value as it is stored; None where it has none."""


class EventReader:
    """Puts the events of one user into words."""

    def __init__(self, past: Past, world: CatalogueSnapshot, words: Words) -> None:
        self.past, self._world, self._words = past, world, words
        self._by_id = {one.event_id: one for one in past.events}

    def seen(self, event: Event) -> Seen:
        return Seen(
            key=f"e{event.seq}",
            event_id=event.event_id,
            day=self._words.day(event.timestamp),
            moment=event.timestamp.isoformat() if event.timestamp else "",
            type=self._words.known(f"type-{thumb_of(event) or event.type}", event.type),
            title=title_of(event.item_id, self._world.items) or said_of(event, self._words),
            value=value_of(event, self._world.scales, self._words),
            text=event.text,
            tone=self.tone(event),
            number=event.value,
        )

    def tone(self, event: Event) -> Tone:
        signal = self.past.signal.get(event.event_id, 0.0)
        return "good" if signal >= NEUTRAL else "bad" if signal <= -NEUTRAL else "plain"

    def of(self, event_ids: Iterable[str]) -> list[Seen]:
        """The events with these ids, in this order; ids of other users' events are left out."""
        return [self.seen(self._by_id[one]) for one in event_ids if one in self._by_id]

    def keys(self, event_ids: Iterable[str]) -> str:
        """Identifiers of the events with these ids, separated by spaces, for the page's script."""
        return " ".join(f"e{self._by_id[one].seq}" for one in event_ids if one in self._by_id)


def title_of(item_id: str | None, items: Mapping[str, Item]) -> str:
    """The title of an item; its id where it has no title, "" for None."""
    if item_id is None:
        return ""
    item = items.get(item_id)
    return item.title if item is not None and item.title else item_id


def said_of(event: Event, words: Words) -> str:
    """An event without an item: what was searched, stated or struck."""
    if event.type == "preference" and event.context.get("value") is not None:
        facet, value = str(event.context.get("facet", "")), str(event.context["value"])
        polarity = "dislike" if event.context.get("polarity") == "dislike" else "like"
        key = "event-struck" if is_strike(event) else "event-stated"
        said = words(f"polarity-{polarity}")
        return words(key, polarity=said, facet=words.facet(facet), value=words.value(facet, value))
    query = event.context.get("query", "")
    return str(query) if query else ""


def value_of(event: Event, scales: Mapping[str, Scale], words: Words) -> str:
    """A rating on its scale, any other value as a number."""
    if event.value is None:
        return ""
    scale = scales.get(event.source)
    if event.type in RATED_TYPES and scale is not None:
        return words("rating", value=f"{event.value:g}", high=f"{scale.high:g}")
    return f"{event.value:g}"
