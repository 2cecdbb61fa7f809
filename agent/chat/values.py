"""What a chat says and remembers: typed values, for every door alike."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pydantic import Field

from agent import tokens
from agent.schema import ChatMessage, Grade, Source, Value

Language = Literal["en", "zh"]
MEMORY_TOKENS = 2000
"""Of what was said before, at most, by default."""
_NUMBERED = 400
"""Events of a conversation that keep their numbers."""


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
    """What the marks `[e1]`, `[e2]`, … in the text stand for; a number means one event throughout a conversation."""
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


@dataclass
class Conversation:
    """What was said so far and whom it was about, bounded in tokens."""

    turns: list[ChatMessage] = field(default_factory=list)
    user_id: str | None = None
    """The user last spoken of, so that "and what did they buy?" has someone to mean."""
    max_tokens: int = MEMORY_TOKENS
    """Of the turns that are kept."""
    users: tuple[str, ...] = ()
    """The users of the last answer, for "compare those two"."""
    numbers: dict[str, int] = field(default_factory=dict)
    """Event ids that were cited, by the number that stands for each."""
    given: int = 0
    """Numbers that were given out."""

    def add(self, question: str, answer: str) -> None:
        """Remember a turn; the oldest are forgotten until the rest fits, and of the newest the end is cut."""
        self.turns += [ChatMessage(role="user", content=question), ChatMessage(role="assistant", content=answer)]
        sizes = [tokens.count(turn.content) for turn in self.turns]
        while len(self.turns) > 2 and sum(sizes) > self.max_tokens:
            del self.turns[:2], sizes[:2]
        if sum(sizes) > self.max_tokens:
            half = self.max_tokens // 2
            self.turns = [one.model_copy(update={"content": tokens.cut(one.content, half)}) for one in self.turns]

    def number_of(self, event_id: str) -> int:
        """The number that stands for an event, given out at its first use."""
        if event_id not in self.numbers:
            self.given += 1
            self.numbers[event_id] = self.given
            if len(self.numbers) > _NUMBERED:
                del self.numbers[next(iter(self.numbers))]
        return self.numbers[event_id]

    def spoke_of(self, user_ids: Iterable[str]) -> None:
        found = tuple(dict.fromkeys(user_ids))
        if found:
            self.user_id, self.users = found[-1], found
