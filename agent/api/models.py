"""Requests and answers of the API that are not values of the engine."""

from datetime import datetime
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictBool

from limner.chat.values import LONGEST, Answer
from limner.core.schema import Grade, Item, Profile, Source, Value
from limner.recommend.feedback import ClickThrough

Row = dict[str, JsonValue]
MAX_ROWS = 10_000

V = TypeVar("V")


def described(text: str) -> ConfigDict:
    """For a generic model: the classes that pydantic makes from it have no docstring."""
    return ConfigDict(json_schema_extra={"description": text})


class Listing(Value, Generic[V]):
    """A page of a list."""

    model_config = described("A page of a list.")

    rows: list[V]
    """One entry for each row, in the order they were sent."""
    next: str | None
    """The cursor of the next page; null where this is the last."""


class Rows(Value):
    """Rows to store."""

    rows: list[JsonValue] = Field(min_length=1, max_length=MAX_ROWS)
    """Objects under the fields' own names or any alias that files may use. `attributes` (users,
    items) or `context` (events), and fields of other names, are kept as attributes. Each row stands
    for itself: what cannot be used is reported, and the others are stored.
    """
    source: str = Field(default="", max_length=100)
    """Where the rows are from; ratings are read on the scale of their source. If left out, the
    source of the store's first event.
    """


class ClickThroughs(Value):
    """Click-through of the lists that were shown."""

    rows: list[ClickThrough]
    """One for each channel and version of the trained channels."""


class BuildRequest(Value):
    """How to build a portrait."""

    force: StrictBool = False
    """Build the portrait even where it is up to date."""
    max_cost: float | None = Field(default=None, ge=0, strict=True)
    """US dollars that the model may cost at most."""


class VersionInfo(Value):
    """A stored version of a portrait, without its content."""

    version: int
    """1 for the first."""
    as_of: datetime
    """When the portrait was built, UTC."""
    source: Source
    """Who wrote it: llm where a language model wrote any of it, else template."""
    model: str | None
    """The language model that wrote it; null where none did."""
    grade: Grade
    """How far the model is trusted. full: it proposes claims; phrase: it words claims that code
    picked; none: it writes nothing.
    """
    events: int
    """Events in the user's history at that time."""
    preferences: int
    """How many likes and dislikes it states."""

    @classmethod
    def of(cls, profile: Profile) -> "VersionInfo":
        return cls(
            version=profile.version,
            as_of=profile.as_of,
            source=profile.source,
            model=profile.model,
            grade=profile.grade,
            events=profile.built_from.events,
            preferences=len(profile.preferences),
        )


class Versions(Value):
    """The stored versions of a portrait."""

    user_id: str
    """The user's id, exactly as in the data."""
    versions: list[VersionInfo]
    """Oldest first."""


class Turn(Value):
    """A message of a conversation."""

    role: Literal["user", "assistant"]
    """Who wrote the message."""
    content: str = Field(max_length=20_000)
    """The text of the message."""


class Question(Value):
    """A question about users."""

    question: str = Field(default="", max_length=LONGEST, examples=["What does user 196 like?"])
    """The question; empty where `messages` end with it."""
    messages: list[Turn] = Field(default=[], max_length=100)
    """The messages so far, in place of `conversation_id`. The last is the question where `question`
    is empty.
    """
    conversation_id: str = Field(default="", max_length=64, pattern="^[A-Za-z0-9_-]*$")
    """From an earlier answer; the question continues its conversation."""
    user_id: str = Field(default="", max_length=255)
    """The user that the question is about, where it names nobody."""


class ChatAnswer(Value):
    """An answer, and the conversation that it belongs to."""

    conversation_id: str
    """Send it with the next question, so that the question can refer to this one."""
    answer: Answer
    """The answer, with its sources."""


class Neighbors(Value, Generic[V]):
    """Items that are similar to an item."""

    model_config = described("Items that are similar to an item.")

    item: Item
    """The item that the others are similar to."""
    neighbors: list[V]
    """Most similar first."""


class Popular(Value, Generic[V]):
    """The items that most users have had."""

    model_config = described("The items that most users have had.")

    items: list[V]
    """Most popular first."""


# ---------------------------------------------------------------- OpenAI's protocol


class CompletionMessage(BaseModel):
    """A message in OpenAI's format; parts other than text are ignored."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    role: str = Field(max_length=32, examples=["user"])
    """Who wrote the message."""
    content: str | list[Row] | None = Field(default=None, examples=["What does user 196 like?"])
    """The text of the message, or its parts."""


class CompletionRequest(BaseModel):
    """A request as OpenAI's clients send it. Parameters that are not listed here are accepted
    without effect.
    """

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    model: str = Field(default="limner", max_length=200, examples=["limner"])
    """Any name is taken; `limner` answers."""
    messages: list[CompletionMessage] = Field(min_length=1, max_length=200)
    """The conversation so far, the question last."""
    stream: StrictBool | None = False
    """Whether the answer comes in chunks, as it is made."""
    stream_options: dict[str, JsonValue] | None = None
    """`include_usage`: the last chunk counts tokens. Others have no effect."""
    user: str | None = Field(default=None, max_length=255)
    """Id of the user that the question is about."""
    metadata: dict[str, JsonValue] | None = None
    """`user_id` in it has the same effect as `user`."""

    def about(self) -> str:
        """The end user in question; empty where none is named."""
        named = (self.metadata or {}).get("user_id")
        return self.user or (named if isinstance(named, str) else "")


class Said(Value):
    """The assistant's message."""

    role: Literal["assistant"] = "assistant"
    """Always assistant."""
    content: str
    """The text of the message."""
    refusal: None = None
    """Always null."""


class CompletionChoice(Value):
    """An answer; there is one."""

    index: int = 0
    """Always 0: there is one."""
    message: Said
    """The answer."""
    finish_reason: Literal["stop"] = "stop"
    """Always stop: the answer is whole."""
    logprobs: None = None
    """Always null."""


class CompletionUsage(Value):
    """Tokens of the messages and of the answer, in o200k_base."""

    prompt_tokens: int
    """Tokens of the messages."""
    completion_tokens: int
    """Tokens of the answer."""
    total_tokens: int
    """Tokens of the messages and of the answer."""


class Completion(Value):
    """A chat completion."""

    id: str
    """Names the answer."""
    object: Literal["chat.completion"] = "chat.completion"
    """The kind of object, as OpenAI's API names it."""
    created: int
    """Time of creation, in seconds since 1970 (UTC)."""
    model: str
    """The model that was named in the request."""
    choices: list[CompletionChoice]
    """The one answer."""
    usage: CompletionUsage
    """Tokens of messages and answer, counted in o200k_base."""


class Delta(Value):
    """The next piece of an answer."""

    role: Literal["assistant"] | None = None
    """Always assistant, in the first chunk; null in the others."""
    content: str | None = None
    """The next words; null in the first and the last chunk."""


class ChunkChoice(Value):
    """The next piece of the one answer."""

    index: int = 0
    """Always 0: there is one."""
    delta: Delta
    """The text that this chunk adds."""
    finish_reason: Literal["stop"] | None = None
    """stop in the last chunk; null before."""
    logprobs: None = None
    """Always null."""


class Chunk(Value):
    """A chunk of a chat completion."""

    id: str
    """Names the answer; all its chunks have this id."""
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    """The kind of object, as OpenAI's API names it."""
    created: int
    """Time of creation, in seconds since 1970 (UTC)."""
    model: str
    """The model that was named in the request."""
    choices: list[ChunkChoice]
    """One answer; empty in a chunk that only reports usage."""
    usage: CompletionUsage | None = None
    """Tokens of messages and answer, in the last chunk where it was asked for."""


class ModelCard(Value):
    """A model that may be asked."""

    id: str
    """The model's name."""
    object: Literal["model"] = "model"
    """The kind of object, as OpenAI's API names it."""
    created: int
    """Time of creation, in seconds since 1970 (UTC)."""
    owned_by: str = "limner"
    """Always limner."""


class Models(Value):
    """The models that may be asked."""

    object: Literal["list"] = "list"
    """The kind of object, as OpenAI's API names it."""
    data: list[ModelCard]
    """The models; there is one."""
