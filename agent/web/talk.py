"""The chat of the page: a question in, its answer streamed as pieces of HTML."""

from collections.abc import Sequence
from dataclasses import dataclass

from limner.chat import CitedEvent
from limner.state.reader import DataReader
from limner.web.events import said_of
from limner.web.words import Words


@dataclass(frozen=True)
class Source:
    """An event that an answer cites."""

    number: int
    user_id: str
    title: str
    day: str
    type: str
    value: str


def sources(cited: Sequence[CitedEvent], data: DataReader, words: Words) -> list[Source]:
    """With what was said or searched, of events without an item."""
    bare = data.events_by_id(one.event_id for one in cited if one.item_id is None)

    def said(one: CitedEvent) -> str:
        event = bare.get(one.event_id)
        return said_of(event, words) or event.text if event else ""

    return [
        Source(
            one.number,
            one.user_id,
            one.title or one.item_id or said(one),
            words.day(one.timestamp),
            words.known(f"type-{one.type}", one.type),
            "" if one.value is None else f"{one.value:g}",
        )
        for one in cited
    ]


def lines(html: str) -> str:
    """HTML as one server-sent event."""
    return "".join(f"data: {line}\n" for line in html.splitlines()) + "\n"
