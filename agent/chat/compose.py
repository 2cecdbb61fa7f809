"""Results as an answer's lines, with marks that cite events, and the marks back to the events."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from limner.chat.conversation import Conversation
from limner.chat.values import CitedEvent, Language
from limner.engine import Engine
from limner.tools import Result, ToolStatement, say
from limner.tools.which import title_of
from limner.tools.words import events_of

MARK = re.compile(r"\[e(\d+)\]")
_SENTENCE = re.compile(r"(?<=[.!?])(?=\s)|(?<=[。！？])|(?<=\])(?=\s)|(?<=\n)")

_ENDED = re.compile(r"[.!?。！？](?:\s*\[e\d+\])+$")
"""A sentence's end with the marks behind it."""


@dataclass(frozen=True)
class AnswerLine:
    """One statement in words, with its marks."""

    text: str
    form: str
    evidence: tuple[str, ...] = ()


def lines_of(
    said: Iterable[ToolStatement], language: Language, talk: Conversation
) -> list[AnswerLine]:
    """The statements that can be said in a language, each event under its number in the
    conversation.
    """

    def mark(event_id: str) -> str:
        return f"[e{talk.number_of(event_id)}]"

    return [
        AnswerLine(say(one, language, mark, talk.nouns), one.form, tuple(events_of(one)))
        for one in (told.in_(language) for told in said)
        if not one.only or one.only.split("-")[0] == language
    ]


def text_of(lines: Sequence[AnswerLine], language: Language) -> str:
    """Statements one after another; items of a list each on a line of its own."""
    text = ""
    for line in lines:
        own = line.form.startswith("recommend.") or text.endswith("\n")
        joined = "\n" if own else "" if language == "zh" and not text.endswith("]") else " "
        text += joined * bool(text) + line.text
    return text


def sentences(text: str) -> list[str]:
    """A text in sentences that, joined, are the text again; a mark stays with the sentence before
    it.
    """
    parts: list[str] = []
    at = 0
    for match in _SENTENCE.finditer(text):
        end = match.end()
        rest = text[end:].lstrip(" ")
        if (
            rest.startswith("[e")
            or (text[end - 1] == "]" and not _ENDED.search(text[:end]))
            or _inside_quotes(text[:end])
            or re.search(r"(?:^|\n)\s*\d+\.$", text[:end])
        ):
            continue
        if end > at:
            parts.append(text[at:end])
            at = end
    return [*parts, text[at:]] if text[at:] else parts


def _inside_quotes(before: str) -> bool:
    return before.count("“") > before.count("”")


def cited(engine: Engine, text: str, talk: Conversation) -> list[CitedEvent]:
    """What the marks of a text stand for, by number."""
    by_number = {number: event_id for event_id, number in talk.numbers.items()}
    wanted = {
        int(match[1]): by_number[int(match[1])]
        for match in MARK.finditer(text)
        if int(match[1]) in by_number
    }
    events = engine.data.events_by_id(wanted.values())
    items = engine.data.items_by_id([one.item_id for one in events.values() if one.item_id])
    found = []
    for number, event_id in sorted(wanted.items()):
        event = events.get(event_id)
        if event is None:
            found.append(CitedEvent(number=number, event_id=event_id))
            continue
        found.append(
            CitedEvent(
                number=number,
                event_id=event_id,
                user_id=event.user_id,
                item_id=event.item_id,
                title=title_of(items.get(event.item_id or ""), event.text),
                type=event.type,
                value=event.value,
                timestamp=event.timestamp,
            )
        )
    return found


def evidence_of(results: Iterable[Result]) -> list[str]:
    return list(dict.fromkeys(event for one in results for event in one.evidence))
