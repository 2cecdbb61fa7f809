"""Chat over any OpenAI-compatible endpoint. Only this package may import openai and tenacity.

Retries belong to tenacity alone: 429, 5xx, time-outs and dropped connections back off with jitter,
honour `Retry-After`, and never begin later than the retry budget allows. Every other 4xx is final.
Where a server refuses a parameter (400, 422), the request steps down once and the chat remembers
it: json_schema → json_object → schema in the prompt only. Log-probabilities, temperature and the
name of the token limit are dropped or changed in the same way.
"""

import asyncio
import math
import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import count
from typing import TYPE_CHECKING, Literal, TypedDict, TypeVar
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from limner.core.errors import ModelDeclinedError, ModelRefusedError, ModelUnavailableError
from limner.core.schema import ChatMessage, Usage
from limner.llm.base import ChatReply, ChatRequest, schema_in_words, strict_schema
from limner.llm.cross_loop_semaphore import CrossLoopSemaphore

if TYPE_CHECKING:
    from openai import APIConnectionError, APIStatusError, AsyncOpenAI, AsyncStream
    from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessageParam
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


R = TypeVar("R")

OPENAI_URL = "https://api.openai.com/v1"
TOP = 20
"""Alternatives asked for the first token; the most that OpenAI gives."""
_RETRIED = frozenset({408, 409, 425, 429})
_CONNECTS = 3
"""Attempts when the connection is refused: enough for a server that restarts, too few to keep a
person waiting.
"""
_STEPS = 6
"""Things that one call may find out that a server does not understand."""

Limit = Literal["max_tokens", "max_completion_tokens"]
_OTHER_LIMIT: dict[Limit, Limit] = {
    "max_tokens": "max_completion_tokens",
    "max_completion_tokens": "max_tokens",
}
Form = Literal["json_schema", "json_object", "text"]
_NEXT_FORM: dict[Form, Form] = {"json_schema": "json_object", "json_object": "text"}


class _Again(Exception):
    """A failure that is worth another try."""

    def __init__(
        self, message: str, *, after: float | None = None, unreachable: bool = False
    ) -> None:
        super().__init__(message)
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


@dataclass
class _Dialect:
    """Optional features that the server supports, as learned from its refusals."""

    form: Form = "json_schema"
    logprobs: bool = True
    temperature: bool = True
    limit: Limit = "max_tokens"


@dataclass
class OpenAIChat:
    """A model behind an OpenAI-compatible endpoint. Usable from several event loops, one after
    another or at once.
    """

    name: str
    base_url: str = OPENAI_URL
    api_key: str = field(default="", repr=False)
    timeout: float = 60.0
    """Seconds for one attempt, by the clock: a server that drips a byte a second does not stretch
    it.
    """
    retries: Retries = field(default_factory=Retries)
    limit: int = 4
    """Requests under way at once, of all event loops together."""
    hosted: bool = True

    def __post_init__(self) -> None:
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncOpenAI] = WeakKeyDictionary()
        self._gate = CrossLoopSemaphore(self.limit)
        self._lock = threading.Lock()
        at_openai = urlsplit(self.base_url).hostname == urlsplit(OPENAI_URL).hostname
        self._dialect = _Dialect(limit="max_completion_tokens" if at_openai else "max_tokens")

    # ------------------------------------------------------------ the protocol

    async def complete(self, request: ChatRequest) -> ChatReply:
        async with self._turn() as client:

            async def once() -> ChatReply:
                completion = await self._adapting(
                    request, lambda sent: client.chat.completions.create(**sent, stream=False)
                )
                return self._answer(completion, request)

            return await self._retrying(once)

    async def stream(self, request: ChatRequest) -> AsyncIterator[str]:
        async with self._turn() as client:

            async def once() -> "AsyncStream[ChatCompletionChunk]":
                return await self._adapting(
                    request, lambda sent: client.chat.completions.create(**sent, stream=True)
                )

            stream = await self._retrying(once)
            # Once words have been shown they cannot be taken back: a break after this point is
            # final.
            declined = ""
            with self._translated(final=True):
                async with stream:
                    async for chunk in stream:
                        for choice in chunk.choices:
                            declined += choice.delta.refusal or ""
                            if choice.delta.content:
                                yield choice.delta.content
            if declined:
                raise ModelDeclinedError("model.declined", model=self.name, detail=declined)

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
                from openai import AsyncOpenAI

                client = AsyncOpenAI(
                    api_key=self.api_key or "none",
                    base_url=self.base_url,
                    timeout=self.timeout,
                    max_retries=0,
                )
                mine = self._loops[loop] = client
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
        asked = f", and asks to wait {error.after:.0f} s" if error.after is not None else ""
        return ModelUnavailableError(
            "model.unavailable", model=self.name, url=self.base_url, failure=error, wait=asked
        )

    async def _adapting(
        self, request: ChatRequest, send: Callable[["_Parameters"], Awaitable[R]]
    ) -> R:
        """One attempt; what the server refuses to understand is left out, now and in later
        calls.
        """
        from openai import BadRequestError, UnprocessableEntityError

        known = replace(self._dialect)
        for step in count(1):
            tried = replace(self._dialect)
            with self._translated():
                try:
                    async with asyncio.timeout(self.timeout):
                        return await send(self._parameters(request))
                except (BadRequestError, UnprocessableEntityError) as error:
                    if step > _STEPS or not self._step_down(error, request, tried):
                        self._dialect = known  # it was not the dialect
                        raise
        raise AssertionError("the loop ends by returning or raising")

    # ------------------------------------------------------------ what is sent

    def _parameters(self, request: ChatRequest) -> "_Parameters":
        messages = [_message(message) for message in request.messages]
        out: _Parameters = {"model": self.name, "messages": messages}
        if self._dialect.limit == "max_tokens":
            out["max_tokens"] = request.max_tokens
        else:
            out["max_completion_tokens"] = request.max_tokens
        if self._dialect.temperature:
            out["temperature"] = request.temperature
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
                last = request.messages[-1]
                messages[-1] = _message(
                    ChatMessage(role=last.role, content=f"{last.content}\n\n{words}")
                )
                if self._dialect.form == "json_object":
                    out["response_format"] = {"type": "json_object"}
        return out

    def _step_down(self, error: "APIStatusError", request: ChatRequest, tried: "_Dialect") -> bool:
        """After a 400 or 422: True if something is left out from now on, so that asking again makes
        sense.
        """
        if tried != self._dialect:
            return True  # a call beside this one has learned it meanwhile
        text = f"{error.message} {getattr(error, 'param', None) or ''}".lower()
        dialect = self._dialect
        if "context" in text and any(word in text for word in ("length", "size", "exceed")):
            return False
        if "max_completion_tokens" in text:
            dialect.limit = _OTHER_LIMIT[dialect.limit]
        elif "temperature" in text and dialect.temperature:
            dialect.temperature = False
        elif request.choices and dialect.logprobs and request.schema is None:
            dialect.logprobs = False
        elif request.schema is not None and dialect.form in _NEXT_FORM:
            dialect.form = _NEXT_FORM[dialect.form]
        else:
            return False
        return True

    # ------------------------------------------------------------ what came back

    def _answer(self, completion: "ChatCompletion", request: ChatRequest) -> ChatReply:
        # The client hands on what is no completion as it is: a page of HTML, an object without
        # choices.
        choices: list[Choice] | None = getattr(completion, "choices", None)
        if not choices or not choices[0].message:
            raise _Again("answered with something that is no chat completion")
        choice = choices[0]
        if choice.message.refusal:
            raise ModelDeclinedError(
                "model.declined", model=self.name, detail=choice.message.refusal
            )
        if choice.finish_reason == "content_filter":
            raise ModelDeclinedError("model.filtered", model=self.name)
        usage = completion.usage
        return ChatReply(
            text=choice.message.content or "",
            usage=Usage(
                input_tokens=usage.prompt_tokens if usage else 0,
                output_tokens=usage.completion_tokens if usage else 0,
            ),
            outcome="truncated"
            if choice.finish_reason == "length" and not request.choices
            else "ok",
            logprobs=_first_token(choice, request.choices) if request.choices else None,
        )

    @contextmanager
    def _translated(self, *, final: bool = False) -> Iterator[None]:
        """The client's exceptions as ours: worth another try (`_Again`, unless `final`), or
        ModelRefusedError.
        """
        import openai

        cause: Exception
        try:
            yield
        except (TimeoutError, openai.APITimeoutError) as error:
            again, cause = _Again(f"did not answer within {self.timeout:.0f} s"), error
        except openai.APIStatusError as error:
            if error.status_code < 500 and error.status_code not in _RETRIED:
                raise ModelRefusedError(self._refusal(error)) from error
            again = _Again(
                f"answers {error.status_code}", after=_retry_after(error.response.headers)
            )
            cause = error
        except openai.APIConnectionError as error:
            again, cause = _connection(error), error
        except (openai.APIError, ValueError) as error:
            # ValueError: a body that is no JSON; APIError: an error event in the middle of a
            # stream.
            again, cause = _Again(f"sent something unreadable ({_short(str(error))})"), error
        except _transport_error() as error:
            again, cause = _Again("dropped the connection"), error
        else:
            return
        raise (self._final(again) if final else again) from cause

    def _refusal(self, error: "APIStatusError") -> str:
        message = _short(error.message)
        match error.status_code:
            case 401:
                return (
                    f"{self.base_url} does not accept the key; set OPENAI_API_KEY to a valid one."
                )
            case 402:
                return f"{self.base_url} says that the account has no credit left: {message}"
            case 403:
                return f"{self.base_url} does not allow {self.name} with this key: {message}"
            case 404:
                return (
                    f"{self.base_url} does not know '{self.name}'; set "
                    "LIMNER_LLM_MODEL, or correct OPENAI_BASE_URL."
                )
            case 413:
                return (
                    f"{self.base_url} finds the request too long; lower "
                    "portrait.window_tokens in limner.yaml."
                )
            case status:
                return f"{self.name} at {self.base_url} refuses the request ({status}): {message}"


def _failure(state: "RetryCallState") -> _Again:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, _Again)
    return error


def _message(message: ChatMessage) -> "ChatCompletionMessageParam":
    match message.role:
        case "system":
            return {"role": "system", "content": message.content}
        case "assistant":
            return {"role": "assistant", "content": message.content}
        case "user":
            return {"role": "user", "content": message.content}


def _transport_error() -> type[Exception]:
    """The base class of errors that the HTTP client raises in the middle of a stream, where the
    openai package does not translate them.
    """
    import httpx2

    return httpx2.TransportError


def _connection(error: "APIConnectionError") -> _Again:
    import httpx2

    if isinstance(error.__cause__, httpx2.ConnectError):
        return _Again("cannot be reached", unreachable=True)
    return _Again("dropped the connection")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `Retry-After` (seconds or an HTTP date) or OpenAI's `retry-after-ms`;
    None where absent.
    """
    if milliseconds := headers.get("retry-after-ms"):
        try:
            return max(0.0, float(milliseconds) / 1000)
        except ValueError:
            pass  # the standard header may still be right
    value = headers.get("retry-after")
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


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


def _short(text: str) -> str:
    """One line of at most 200 characters, without anything that looks like a key."""
    return re.sub(r"sk-[\w-]{8,}", "sk-…", " ".join(text.split()))[:200]
