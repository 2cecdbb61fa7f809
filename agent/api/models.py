"""What the API takes and gives beyond the values of the engine."""

from datetime import datetime
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictBool

from limner.chat.values import LONGEST, Answer
from limner.core.schema import Grade, Item, Profile, Source, Value
from limner.recommend.feedback import ClickThrough

Row = dict[str, JsonValue]
MAX_ROWS = 10_000

V = TypeVar("V")


class Listing(Value, Generic[V]):
    """A page of a list."""

    rows: list[V] = Field(description="In the order in which they came.")
    next: str | None = Field(
        description="The cursor of the next page; null where this is the last."
    )


class Rows(Value):
    """Rows to store."""

    rows: list[JsonValue] = Field(
        min_length=1,
        max_length=MAX_ROWS,
        description="Objects under the fields' own names or any alias that files may "
        "use. `attributes` (users, items) "
        "or `context` (events), and fields of other names, are kept as attributes. Each "
        "row stands for itself: what "
        "cannot be used is reported, and the others are stored.",
    )
    source: str = Field(
        default="",
        max_length=100,
        description="Where the rows are from; ratings are read on the scale of their "
        "source. The store's first source, "
        "if left out.",
    )


class ClickThroughs(Value):
    """How lists that were shown fared."""

    rows: list[ClickThrough]


class BuildRequest(Value):
    """How to build."""

    force: StrictBool = Field(
        default=False, description="Paint anew even where the portrait is up to date."
    )
    max_cost: float | None = Field(
        default=None, ge=0, strict=True, description="US dollars that the model may cost, at most."
    )


class VersionInfo(Value):
    """A stored version of a portrait, without what it says."""

    version: int
    as_of: datetime
    source: Source
    model: str | None
    grade: Grade
    events: int
    preferences: int

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
    versions: list[VersionInfo] = Field(description="Oldest first.")


class Turn(Value):
    """A message of a conversation."""

    role: Literal["user", "assistant"]
    content: str = Field(max_length=20_000)


class Question(Value):
    """A question about users."""

    question: str = Field(default="", max_length=LONGEST, examples=["What does user 196 like?"])
    messages: list[Turn] = Field(
        default=[],
        max_length=100,
        description=(
            "Instead of `conversation_id`: what was said so far, the question "
            "last where `question` is empty."
        ),
    )
    conversation_id: str = Field(
        default="",
        max_length=64,
        pattern=r"^[A-Za-z0-9_-]*$",
        description="Of an earlier answer: goes on with it.",
    )
    user_id: str = Field(
        default="", max_length=255, description="Whom the question is about where it names nobody."
    )


class ChatAnswer(Value):
    """An answer, and the conversation that it belongs to."""

    conversation_id: str
    answer: Answer


class Neighbors(Value, Generic[V]):
    """Items near an item."""

    item: Item
    neighbors: list[V]


class Popular(Value, Generic[V]):
    """What most users have had."""

    items: list[V]


# ---------------------------------------------------------------- OpenAI's protocol


class CompletionMessage(BaseModel):
    """A message, as OpenAI has it; parts other than text are passed over."""

    model_config = ConfigDict(extra="allow", frozen=True)

    role: str = Field(max_length=32, examples=["user"])
    content: str | list[Row] | None = Field(default=None, examples=["What does user 196 like?"])


class CompletionRequest(BaseModel):
    """What OpenAI's clients send; parameters that are not named here are taken and have no
    effect.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    model: str = Field(default="limner", max_length=200, examples=["limner"])
    messages: list[CompletionMessage] = Field(
        min_length=1, max_length=200, description="What was said so far."
    )
    stream: StrictBool | None = Field(
        default=False, description="Whether the answer comes in chunks, as it is made."
    )
    stream_options: dict[str, JsonValue] | None = Field(
        default=None, description="`include_usage` is heeded."
    )
    user: str | None = Field(
        default=None, max_length=255, description="Whom the question is about."
    )
    metadata: dict[str, JsonValue] | None = Field(
        default=None, description="`user_id` does as `user` does."
    )

    def about(self) -> str:
        """The end user in question; empty where none is named."""
        named = (self.metadata or {}).get("user_id")
        return self.user or (named if isinstance(named, str) else "")


class Said(Value):
    """What the assistant says."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class CompletionChoice(Value):
    """An answer; there is one."""

    index: int = 0
    message: Said
    finish_reason: Literal["stop"] = "stop"
    logprobs: None = None


class CompletionUsage(Value):
    """Tokens of the messages and of the answer, in o200k_base."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Completion(Value):
    """A chat completion."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int = Field(description="Seconds since 1970.")
    model: str
    choices: list[CompletionChoice]
    usage: CompletionUsage


class Delta(Value):
    """More of an answer."""

    role: Literal["assistant"] | None = None
    content: str | None = None


class ChunkChoice(Value):
    """More of the one answer."""

    index: int = 0
    delta: Delta
    finish_reason: Literal["stop"] | None = None
    logprobs: None = None


class Chunk(Value):
    """A chunk of a chat completion."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: CompletionUsage | None = None


class ModelCard(Value):
    """A model that may be asked."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(description="Seconds since 1970.")
    owned_by: str = "limner"


class Models(Value):
    """The models that may be asked."""

    object: Literal["list"] = "list"
    data: list[ModelCard]
