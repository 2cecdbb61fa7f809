"""The chat protocol that every model speaks, and `ask`, which turns an answer into a typed
value.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from limner.core.errors import ModelAnswerError
from limner.core.schema import ChatMessage, ToolUse, Usage

T = TypeVar("T", bound=BaseModel)

HELPLESS = frozenset(
    {"portrait.template", "portrait.many_template", "portrait.kept_as_is", "reasons.template"}
)
"""Codes of the notes which say that words are a template's since the model failed."""
Outcome = Literal["ok", "truncated", "cached", "repaired"]


"""What every note says of words that a model was to write and did not, before the cause."""


@dataclass(frozen=True)
class ToolSpec:
    """A tool that a model may ask for."""

    name: str
    description: str
    parameters: "Json"
    """JSON schema of its arguments."""


@dataclass(frozen=True)
class ChatRequest:
    """One question to a model."""

    purpose: str
    """The name of the task in the ledger: portrait, phrase, reason, rerank, judge, probe, chat, …
    """
    prompt: str
    """Label of the prompt, `id@version#hash`."""
    messages: Sequence[ChatMessage]
    schema: type[BaseModel] | None = None
    """The answer must be JSON of this model; None for free text."""
    user_id: str | None = None
    """The user that the question is about, stored with the cached answer and the ledger row; never
    sent.
    """
    max_tokens: int = 512
    temperature: float = 0.0
    repeat: int = 0
    """A number that is part of the cache key: a new number asks the model again."""
    choices: tuple[str, ...] = ()
    """Return the log-probabilities of these as the answer's first token."""
    tools: tuple[ToolSpec, ...] = ()
    """What the model may ask for instead of answering."""
    repairs: "ChatRequest | None" = None
    """The request whose answer did not fit, where this one sends it back."""


@dataclass(frozen=True)
class ChatReply:
    text: str
    usage: Usage = field(default_factory=Usage)
    outcome: Outcome = "ok"
    logprobs: dict[str, float] | None = None
    """Natural log-probability by choice; the model's tokens are compared without case and leading
    space. A choice outside the server's top list gets the lowest listed value, an upper bound. None
    where the server gives no log-probabilities.
    """
    tool_uses: tuple[ToolUse, ...] = ()
    """The calls that the model asks for before it answers."""


class Chat(Protocol):
    """A model that answers."""

    @property
    def name(self) -> str: ...

    @property
    def hosted(self) -> bool:
        """True where what is asked leaves the machine."""

    async def complete(self, request: ChatRequest) -> ChatReply:
        """One answer. Raises ModelUnavailableError, ModelRefusedError or BudgetSpentError."""

    async def close(self) -> None: ...


async def ask(chat: Chat, request: ChatRequest, output: type[T]) -> tuple[T, ChatReply]:
    """An answer as a value of `output`; one that is malformed or cut off is sent back once with the
    error.

    The returned usage is that of all calls made. Raises ModelAnswerError when the second answer
    does not fit either.
    """
    request = replace(request, schema=output)
    first = await chat.complete(request)
    try:
        return parse(first.text, output), first
    except ValidationError as error:
        complaint = _complaint(error, first.outcome)
    second = await chat.complete(
        replace(
            request,
            # A cut answer needs room; a wrong one does not mind it.
            max_tokens=request.max_tokens * 2
            if first.outcome == "truncated"
            else request.max_tokens,
            messages=[
                *request.messages,
                ChatMessage(role="assistant", content=first.text or "{}"),
                ChatMessage(role="user", content=complaint),
            ],
            repairs=request,
        )
    )
    usage = Usage(
        input_tokens=first.usage.input_tokens + second.usage.input_tokens,
        output_tokens=first.usage.output_tokens + second.usage.output_tokens,
        cost=first.usage.cost + second.usage.cost,
    )
    try:
        return parse(second.text, output), replace(second, usage=usage, outcome="repaired")
    except ValidationError as error:
        raise ModelAnswerError("model.wrong_form", model=chat.name, error=_first(error)) from error


def parse(text: str, output: type[T]) -> T:
    """The JSON value in an answer. Raises pydantic's ValidationError.

    Fences and prose around the outermost braces are ignored: servers without a schema mode add
    them.
    """
    begin, end = text.find("{"), text.rfind("}")
    return output.model_validate_json(text[begin : end + 1] if 0 <= begin < end else text)


def _first(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in problem['loc']) or 'answer'}: {problem['msg']}"


def _complaint(error: ValidationError, outcome: Outcome) -> str:
    problems = error.errors(include_url=False, include_input=False)[:5]
    lines = [
        f"- {'.'.join(str(part) for part in problem['loc']) or 'answer'}: {problem['msg']}"
        for problem in problems
    ]
    cut = (
        "Your answer was cut off; be briefer."
        if outcome == "truncated"
        else "Your answer does not fit the schema."
    )
    return "\n".join([cut, *lines, "Answer again with the corrected JSON only."])


# ---------------------------------------------------------------- schemas

_ANNOTATIONS = ("title", "default", "examples", "discriminator", "minLength", "maxLength", "format")
"""Keywords that strict mode refuses or that only describe; pydantic still checks the lengths
afterwards.
"""

Json = dict[str, object]


def strict_schema(output: type[BaseModel]) -> Json:
    """The JSON schema of a model as strict mode wants it: closed objects, everything required,
    anyOf for oneOf.

    Raises TypeError for a model with free-form mappings, which strict mode cannot express.
    """
    schema = _strict(output.model_json_schema())
    assert isinstance(schema, dict)
    return schema


def _strict(node: object, *, names: bool = False) -> object:
    """`names`: the keys of this mapping are names of properties or definitions, not keywords."""
    if isinstance(node, list):
        return [_strict(part) for part in node]
    if not isinstance(node, dict):
        return node
    if names:
        return {key: _strict(value) for key, value in node.items()}
    out: Json = {}
    for key, value in node.items():
        if key in _ANNOTATIONS:
            continue
        if key in ("const", "enum"):
            out[key] = value
        elif key == "oneOf":
            out["anyOf"] = _strict(value)
        else:
            out[key] = _strict(value, names=key in ("properties", "$defs"))
    return _closed(out) if out.get("type") == "object" else out


def _closed(node: Json) -> Json:
    """The schema of an object without further keys, all of whose properties are required."""
    properties = node.get("properties")
    if node.get("additionalProperties") not in (None, False) or not isinstance(properties, dict):
        raise TypeError(
            "A mapping with free keys cannot be asked for in strict mode; use a list of pairs."
        )
    return {**node, "additionalProperties": False, "required": list(properties)}


def schema_in_words(output: type[BaseModel]) -> str:
    """For servers that know no schema mode: the schema as a line of the prompt."""
    schema = json.dumps(strict_schema(output), ensure_ascii=False, separators=(",", ":"))
    return f"Answer with one JSON object of this JSON schema, and nothing else:\n{schema}"
