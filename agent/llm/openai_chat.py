"""Chat over any OpenAI-compatible endpoint. Only this package may import openai and tenacity.

Retries belong to tenacity alone: 429, 5xx, time-outs and dropped connections back off with jitter,
honour `Retry-After`, and never begin later than the retry budget allows. Every other 4xx is final.
Where a server refuses a parameter (400, 422), the request steps down once and the chat remembers
it: json_schema → json_object → schema in the prompt only. Log-probabilities, temperature and the
name of the token limit are dropped or changed in the same way.
"""

import asyncio
import math
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING, TypedDict, TypeVar
from weakref import WeakKeyDictionary

from limner.core.errors import ModelDeclinedError, ModelRefusedError, ModelUnavailableError
from limner.core.messages import Message, message, plain
from limner.core.schema import ChatMessage, ToolUse, Usage
from limner.llm.base import ChatReply, ChatRequest, ToolSpec, schema_in_words, strict_schema
from limner.llm.cross_loop_semaphore import CrossLoopSemaphore
from limner.llm.dialect import Complaint, Dialect, short
from limner.llm.endpoint import ModelEndpoint
from limner.llm.reply_text import joined_text, without_thinking

if TYPE_CHECKING:
    from openai import APIConnectionError, APIStatusError, AsyncOpenAI
    from openai.types.chat import (
        ChatCompletion,
        ChatCompletionAssistantMessageParam,
        ChatCompletionMessageParam,
        ChatCompletionToolParam,
    )
    from openai.types.chat.chat_completion import Choice
    from openai.types.chat.completion_create_params import ResponseFormat
    from tenacity import RetryCallState

    class _Parameters(TypedDict, total=False):
        model: str
        messages: list[ChatCompletionMessageParam]
        max_tokens: int
        max_completion_tokens: int
        temperature: float
        logprobs: bool
        top_logprobs: int
        response_format: ResponseFormat
        tools: list[ChatCompletionToolParam]


R = TypeVar("R")

TOP = 20
"""Alternatives asked for the first token; the most that OpenAI gives."""
_CONNECTS = 3
"""Attempts when the connection is refused: enough for a server that restarts, too few to keep a
person waiting.
"""
_STEPS = 6
"""Things that one call may find out that a server does not understand."""


class _Again(Exception):
    """A failure that is worth another try."""

    def __init__(
        self, failure: Message, *, after: float | None = None, unreachable: bool = False
    ) -> None:
        super().__init__(failure)
        self.failure = failure
        """What the model did, as words that follow its name."""
        self.after = after
        """Seconds the server asked to wait."""
        self.unreachable = unreachable


@dataclass(frozen=True)
class Retries:
    """Retry policy; all times in seconds."""

    budget: float = 20.0
    """Latest start of a retry, counted from the start of the call."""
    backoff: float = 0.5
    """The first wait; doubles each time up to 8 s, with jitter of as much again."""


class _Complained(Exception):
    """An error that came inside a success."""

    def __init__(self, complaint: Complaint) -> None:
        super().__init__(complaint.text)
        self.complaint = complaint


@dataclass
class OpenAIChat:
    """A model behind an OpenAI-compatible endpoint. Usable from several event loops, one after
    another or at once.
    """

    name: str
    base_url: str = ""
    """As people paste it; OpenAI's own where it is empty."""
    api_key: str = field(default="", repr=False)
    timeout: float = 60.0
    """Seconds for one attempt, by the clock: a server that drips a byte a second does not stretch
    it.
    """
    retries: Retries = field(default_factory=Retries)
    limit: int = 4
    """Requests under way at once, of all event loops together."""
    hosted: bool = True
    """Whether what is asked leaves this machine."""

    def __post_init__(self) -> None:
        self.endpoint = ModelEndpoint.parse(self.base_url, self.api_key)
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncOpenAI] = WeakKeyDictionary()
        self._gate = CrossLoopSemaphore(self.limit)
        self._lock = threading.Lock()
        self._dialect = Dialect(
            limit="max_completion_tokens" if self.endpoint.is_openai else "max_tokens"
        )

    # ------------------------------------------------------------ the protocol

    async def complete(self, request: ChatRequest) -> ChatReply:
        async with self._turn() as client:

            async def once() -> ChatReply:
                completion = await self._adapting(
                    request, lambda sent: client.chat.completions.create(**sent, stream=False)
                )
                return self._answer(completion, request)

            return await self._retrying(once)

    async def close(self) -> None:
        mine = self._loops.pop(asyncio.get_running_loop(), None)
        if mine:
            await mine.close()

    # ------------------------------------------------------------ one call

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator["AsyncOpenAI"]:
        """Wait for a free place, and give this event loop's client. A client's connections belong
        to one loop; the limit on calls is shared by all loops.
        """
        loop = asyncio.get_running_loop()
        with self._lock:
            mine = self._loops.get(loop)
            if mine is None:
                mine = self._loops[loop] = self.endpoint.async_client(self.timeout)
        async with self._gate:
            yield mine

    async def _retrying(self, once: Callable[[], Awaitable[R]]) -> R:
        from tenacity import AsyncRetrying, retry_if_exception_type

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_Again), wait=self._wait, stop=self._stop, reraise=True
        )
        try:
            return await retrying(once)
        except _Again as error:
            raise self._final(error) from error

    def _wait(self, state: "RetryCallState") -> float:
        from tenacity import wait_random_exponential

        backoff = self.retries.backoff
        jitter = wait_random_exponential(
            multiplier=backoff, max=max(8.0, backoff), min=backoff / 2
        )(state)
        asked = _failure(state).after
        # A little above what was asked, so that many clients do not come back in the same instant.
        return jitter if asked is None else asked + jitter / 10

    def _stop(self, state: "RetryCallState") -> bool:
        if _failure(state).unreachable and state.attempt_number >= _CONNECTS:
            return True
        return (state.seconds_since_start or 0.0) + state.upcoming_sleep > self.retries.budget

    def _final(self, error: "_Again") -> ModelUnavailableError:
        return ModelUnavailableError(
            "model.unavailable",
            model=self.name,
            url=self.endpoint.url,
            failure=error.failure,
            wait=plain("")
            if error.after is None
            else message("model.failure.wait", seconds=error.after),
        )

    async def _adapting(
        self, request: ChatRequest, send: Callable[["_Parameters"], Awaitable["ChatCompletion"]]
    ) -> "ChatCompletion":
        """One attempt; what the server refuses to understand is left out, now and in later
        calls.
        """
        from openai import APIStatusError

        known = replace(self._dialect)
        for step in count(1):
            tried = replace(self._dialect)
            with self._translated():
                try:
                    async with asyncio.timeout(self.timeout):
                        completion = await send(self._parameters(request))
                    if complaint := Complaint.inside(completion):
                        raise _Complained(complaint)
                    return completion
                except (APIStatusError, _Complained) as error:
                    # A call beside this one may have learned it meanwhile.
                    learned = tried != self._dialect or self._dialect.learn(_told(error), request)
                    if step > _STEPS or not learned:
                        self._dialect = known  # it was not the dialect
                        raise
        raise AssertionError("the loop ends by returning or raising")

    # ------------------------------------------------------------ what is sent

    def _parameters(self, request: ChatRequest) -> "_Parameters":
        sent = request.messages if self._dialect.system else _without_system(request.messages)
        messages = [_message(message) for message in sent]
        out: _Parameters = {"model": self.name, "messages": messages}
        if self._dialect.limit == "max_tokens":
            out["max_tokens"] = request.max_tokens
        else:
            out["max_completion_tokens"] = request.max_tokens
        if self._dialect.temperature:
            out["temperature"] = request.temperature
        if request.tools:
            out["tools"] = [_tool(tool) for tool in request.tools]
        if request.choices and self._dialect.logprobs:
            out["logprobs"], out["top_logprobs"] = True, TOP
        if request.schema is not None:
            if self._dialect.form == "json_schema":
                schema = strict_schema(request.schema)
                name = request.schema.__name__.lstrip("_")
                out["response_format"] = {
                    "type": "json_schema",
                    "json_schema": {"name": name, "schema": schema, "strict": True},
                }
            else:
                words = schema_in_words(request.schema)
                # The schema goes last into the last message, so that a shared prefix stays one.
                last = sent[-1]
                messages[-1] = _message(
                    ChatMessage(role=last.role, content=f"{last.content}\n\n{words}")
                )
                if self._dialect.form == "json_object":
                    out["response_format"] = {"type": "json_object"}
        return out

    # ------------------------------------------------------------ what came back

    def _answer(self, completion: "ChatCompletion", request: ChatRequest) -> ChatReply:
        # The client hands on what is no completion as it is: a page of HTML, an object without
        # choices.
        choices: list[Choice] | None = getattr(completion, "choices", None)
        if not choices or not choices[0].message:
            raise _Again(message("model.failure.no_completion"))
        choice = choices[0]
        if choice.message.refusal:
            raise ModelDeclinedError(
                "model.declined", model=self.name, detail=choice.message.refusal
            )
        if choice.finish_reason == "content_filter":
            raise ModelDeclinedError("model.filtered", model=self.name)
        usage = completion.usage
        text = without_thinking(joined_text(choice.message.content))
        cut = choice.finish_reason == "length" and not request.choices
        return ChatReply(
            text=text,
            usage=Usage(
                input_tokens=usage.prompt_tokens if usage else 0,
                output_tokens=usage.completion_tokens if usage else 0,
            ),
            outcome="truncated" if cut else "ok",
            logprobs=_first_token(choice, request.choices) if request.choices else None,
            tool_uses=tuple(
                ToolUse(id=call.id, name=call.function.name, arguments=call.function.arguments)
                for call in choice.message.tool_calls or ()
                if call.type == "function"
            ),
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """The client's exceptions as ours: worth another try (`_Again`), or ModelRefusedError."""
        import openai

        cause: Exception
        try:
            yield
        except (TimeoutError, openai.APITimeoutError) as error:
            again, cause = _Again(message("model.failure.timeout", seconds=self.timeout)), error
        except (openai.APIStatusError, _Complained) as error:
            complaint = _told(error)
            if not complaint.is_passing:
                raise self._refusal(complaint) from error
            failure = message("model.failure.status", status=complaint.status)
            again, cause = _Again(failure, after=complaint.retry_after), error
        except openai.APIConnectionError as error:
            again, cause = _connection(error), error
        except (openai.APIError, ValueError) as error:
            # ValueError: a body that is no JSON.
            failure = message("model.failure.unreadable", detail=short(str(error)))
            again, cause = _Again(failure), error
        except _transport_error() as error:
            again, cause = _Again(message("model.failure.dropped")), error
        else:
            return
        raise again from cause

    def _refusal(self, complaint: Complaint) -> ModelRefusedError:
        detail, url, name = complaint.detail, self.endpoint.url, self.name
        if complaint.is_filter:
            return ModelDeclinedError("model.filtered", model=name)
        if complaint.is_credit:
            return ModelRefusedError("model.no_credit", url=url, detail=detail)
        if complaint.is_length:
            return ModelRefusedError("model.request_too_long", url=url)
        match complaint.status:
            case 401:
                return ModelRefusedError("model.wrong_key", url=url)
            case 403:
                return ModelRefusedError("model.not_allowed", url=url, model=name, detail=detail)
            case 404:
                return ModelRefusedError("model.unknown", url=url, model=name, detail=detail)
            case status:
                return ModelRefusedError(
                    "model.refused", model=name, url=url, status=status, detail=detail
                )


def _told(error: "APIStatusError | _Complained") -> Complaint:
    return error.complaint if isinstance(error, _Complained) else Complaint.of(error)


def _failure(state: "RetryCallState") -> _Again:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, _Again)
    return error


def _without_system(messages: Sequence[ChatMessage]) -> Sequence[ChatMessage]:
    """The same words for servers that know no role `system`: before those of the first user."""
    said = [message.content for message in messages if message.role == "system"]
    others = [message for message in messages if message.role != "system"]
    if not said or not others:
        return others or messages
    first = others[0]
    text = "\n\n".join([*said, first.content])
    return [first.model_copy(update={"content": text}), *others[1:]]


def _message(message: ChatMessage) -> "ChatCompletionMessageParam":
    match message.role:
        case "system":
            return {"role": "system", "content": message.content}
        case "assistant":
            return _assistant(message)
        case "tool":
            return {"role": "tool", "content": message.content, "tool_call_id": message.tool_use_id}
        case "user":
            return {"role": "user", "content": message.content}


def _assistant(message: ChatMessage) -> "ChatCompletionAssistantMessageParam":
    out: ChatCompletionAssistantMessageParam = {"role": "assistant", "content": message.content}
    if message.tool_uses:
        out["tool_calls"] = [
            {
                "id": use.id,
                "type": "function",
                "function": {"name": use.name, "arguments": use.arguments},
            }
            for use in message.tool_uses
        ]
    return out


def _tool(tool: ToolSpec) -> "ChatCompletionToolParam":
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
        },
    }


def _transport_error() -> type[Exception]:
    """The base class of errors that the HTTP client raises in the middle of a stream, where the
    openai package does not translate them.
    """
    import httpx2

    return httpx2.TransportError


def _connection(error: "APIConnectionError") -> _Again:
    import httpx2

    if isinstance(error.__cause__, httpx2.ConnectError):
        return _Again(message("model.failure.unreachable"), unreachable=True)
    return _Again(message("model.failure.dropped"))


def _first_token(choice: "Choice", choices: tuple[str, ...]) -> dict[str, float] | None:
    """Log-probability of each choice as the first token, summed over its spellings; see
    `ChatReply.logprobs`.
    """
    listed = choice.logprobs.content if choice.logprobs else None
    if not listed:
        return None
    top = {entry.token: entry.logprob for entry in listed[0].top_logprobs} or {
        listed[0].token: listed[0].logprob
    }
    folded = {name: name.strip().casefold() for name in choices}
    mass = dict.fromkeys(choices, 0.0)
    for token, logprob in top.items():
        word = token.strip().casefold()
        # A choice of several tokens is known by the beginning that only it has.
        meant = [name for name, text in folded.items() if word and text.startswith(word)]
        if len(meant) == 1:
            mass[meant[0]] += math.exp(logprob)
    lowest = min(top.values())
    return {name: math.log(share) if share > 0 else lowest for name, share in mass.items()}
