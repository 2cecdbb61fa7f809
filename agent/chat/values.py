"""What a chat says: typed values, for every door alike."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from limner.core.schema import Grade, Source, Value

Language = Literal["en", "zh"]
LONGEST = 4000
"""Characters of a question; reading one takes longer than its length grows."""


class ToolCall(Value):
    """A tool that was called, and whether it found anything."""

    tool: str
    arguments: dict[str, str]
    found: bool


class CitedEvent(Value):
    """The event that an answer cites as `[e<number>]`."""

    number: int
    event_id: str
    user_id: str = ""
    item_id: str | None = None
    title: str = ""
    type: str = ""
    value: float | None = None
    timestamp: datetime | None = None


class Answer(Value):
    """One answer of the chat."""

    text: str
    calls: list[ToolCall] = Field(default=[])
    sources: list[CitedEvent] = Field(default=[])
    """What the marks `[e1]`, `[e2]`, … in the text stand for; a number means one event throughout a
    conversation.
    """
    evidence: list[str] = Field(default=[])
    """Event ids that the tools returned, cited or not."""
    answered: bool = True
    """False where the answer is that it is not known, or will not be told."""
    language: Language = "en"
    source: Source = "template"
    grade: Grade = "none"
    model: str | None = None
    notes: list[str] = Field(default=[])


class ToolStarted(Value):
    """A tool is at work."""

    kind: Literal["tool"] = "tool"
    tool: str
    arguments: dict[str, str]


class TextDelta(Value):
    """More of the answer's text, verified: the deltas joined are the text of the final answer."""

    kind: Literal["text"] = "text"
    text: str


class Finished(Value):
    """The whole answer; always the last piece, and there is exactly one."""

    kind: Literal["answer"] = "answer"
    answer: Answer


Piece = ToolStarted | TextDelta | Finished
