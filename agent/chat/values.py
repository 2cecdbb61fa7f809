"""What a chat says: typed values, for every door alike."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from limner.core.messages import Message
from limner.core.schema import Grade, Source, Value

Language = Literal["en", "zh"]
LONGEST = 4000
"""Characters of a question; reading one takes longer than its length grows."""


class ToolCall(Value):
    """A tool that was called, and whether it found anything."""

    tool: str
    """The tool's name."""
    arguments: dict[str, str]
    """What the tool was called with, as text by name."""
    found: bool
    """Whether it found anything."""


class CitedEvent(Value):
    """The event that an answer cites as `[e<number>]`."""

    number: int
    """The number that the text cites it by."""
    event_id: str
    """The event's id."""
    user_id: str = ""
    """The user's id, exactly as in the data."""
    item_id: str | None = None
    """The item's id, exactly as in the data; null where the event has no item."""
    title: str = ""
    """The item's title."""
    type: str = ""
    """What was done: view, click, like, purchase, rating, …"""
    value: float | None = None
    """The rating, quantity or seconds, as in the data."""
    timestamp: datetime | None = None
    """When it happened, UTC; null where the data has no times."""


class Answer(Value):
    """One answer of the chat."""

    text: str
    """The answer in words; `[e1]` cites an event of `sources`."""
    calls: list[ToolCall] = Field(default=[])
    """The tools that were called, in order."""
    sources: list[CitedEvent] = Field(default=[])
    """The events that `[e1]`, `[e2]`, … in the text cite. A number means the same event throughout
    a conversation.
    """
    evidence: list[str] = Field(default=[])
    """Ids of the events that the tools returned, cited or not."""
    answered: bool = True
    """False where the answer says that it is not known, or is refused."""
    language: Language = "en"
    """The language of the question, which is that of the answer."""
    source: Source = "template"
    """Who wrote it: llm (a language model), or template (fixed sentences)."""
    grade: Grade = "none"
    """How far the model is trusted. full: it proposes claims; phrase: it words claims that code
    picked; none: it writes nothing.
    """
    model: str | None = None
    """The language model that wrote it; null where none did."""
    notes: list[Message] = Field(default=[])
    """What a reader should know about how it was made."""


class ToolStarted(Value):
    """A tool is at work."""

    kind: Literal["tool"] = "tool"
    """Always tool."""
    tool: str
    """The tool's name."""
    arguments: dict[str, str]
    """What the tool is called with, as text by name."""


class TextDelta(Value):
    """More of the answer's text, verified: the deltas joined are the text of the final answer."""

    kind: Literal["text"] = "text"
    """Always text."""
    text: str
    """The next words."""


class Finished(Value):
    """The whole answer; always the last piece, and there is exactly one."""

    kind: Literal["answer"] = "answer"
    """Always answer."""
    answer: Answer
    """The answer, with its sources."""


Piece = ToolStarted | TextDelta | Finished
