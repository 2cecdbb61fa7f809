"""A chat model with an answer cache, a ledger of its calls, and a cost limit."""

import asyncio
import hashlib
import json
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from pydantic import ValidationError

from limner.core.errors import (
    BudgetSpentError,
    ModelDeclinedError,
    ModelError,
    ModelRefusedError,
    ModelUnavailableError,
)
from limner.core.messages import Message, message
from limner.core.schema import ChatMessage, LedgerOutcome, LedgerRow, StoredAnswer, Usage
from limner.core.settings import Price
from limner.core.telemetry import log_run
from limner.llm import tokens
from limner.llm.base import Chat, ChatReply, ChatRequest, parse, strict_schema
from limner.llm.thinking import ThinkingRoom


class ResponseCache(Protocol):
    """Storage for cached answers, by key, and for the ledger of model calls."""

    def answer(self, key: str) -> StoredAnswer | None: ...

    def save_answer(self, key: str, user_id: str | None, answer: StoredAnswer) -> None: ...

    def add_ledger(self, row: LedgerRow) -> None: ...

    def is_loaded_elsewhere(self) -> bool:
        """Whether nothing can be written at the moment, because another process is loading data."""


@dataclass
class MemoryCache:
    """An answer book for work without a store."""

    answers: dict[str, StoredAnswer] = field(default_factory=dict)
    rows: list[LedgerRow] = field(default_factory=list)

    def answer(self, key: str) -> StoredAnswer | None:
        return self.answers.get(key)

    def save_answer(self, key: str, user_id: str | None, answer: StoredAnswer) -> None:
        self.answers[key] = answer

    def add_ledger(self, row: LedgerRow) -> None:
        self.rows.append(row)

    def is_loaded_elsewhere(self) -> bool:
        return False


def answer_key(identity: str, request: ChatRequest) -> str:
    """The cache key of a request: SHA-256 over model, parameters, schema, prompt, messages and
    repeat number.

    `identity` separates models of the same name by their endpoint or file hash.
    """
    parts: list[object] = [
        identity,
        [request.max_tokens, request.temperature, list(request.choices)],
        strict_schema(request.schema) if request.schema else None,
        request.prompt,
        [[message.role, message.content] for message in request.messages],
        request.repeat,
    ]
    if request.tools:
        parts += [
            [[tool.name, tool.description, tool.parameters] for tool in request.tools],
            [[message.tool_use_id, *_asked(message)] for message in request.messages],
        ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _asked(message: ChatMessage) -> list[tuple[str, str]]:
    return [(use.name, use.arguments) for use in message.tool_uses]


def price_of(model: str, prices: Mapping[str, Price]) -> Price | None:
    """The price of a model, or None where it is unknown. A dated version (`name-2024-08-06`) costs
    what the name without a date does.
    """
    known = [name for name in prices if model == name or model.startswith(f"{name}-20")]
    return prices[max(known, key=len)] if known else None


class Budget:
    """US dollars that may be spent, by one chat or by several together."""

    def __init__(self, limit: float | None = None) -> None:
        """`limit` in US dollars; None for no limit."""
        self.limit = limit
        self.spent = 0.0
        """US dollars so far."""
        self.is_short = False
        """True once a call was refused because it could have passed the limit."""
        self._reserved = 0.0
        self._lock = threading.Lock()

    @property
    def left(self) -> float | None:
        """US dollars that may still be spent; None where there is no limit."""
        return None if self.limit is None else max(self.limit - self.spent, 0.0)

    def reserve(self, dollars: float) -> bool:
        """Set aside what a call may cost; False where that much is not left."""
        with self._lock:
            if self.limit is not None and self.spent + self._reserved + dollars > self.limit:
                self.is_short = True
                return False
            self._reserved += dollars
            return True

    def release(self, dollars: float) -> None:
        """Give back what was set aside."""
        with self._lock:
            self._reserved -= dollars

    def pay(self, dollars: float) -> None:
        with self._lock:
            self.spent += dollars


class CachedChat:
    """Wraps a chat with the answer cache, the ledger, the cost limit, and giving up after failures
    in a row.
    """

    def __init__(
        self,
        chat: Chat,
        book: ResponseCache,
        *,
        identity: str = "",
        prices: Mapping[str, Price] | None = None,
        max_cost: float | None = None,
        budget: Budget | None = None,
        give_up_after: int = 3,
        cool_down: float | None = None,
        thinking: ThinkingRoom | None = None,
    ) -> None:
        """`max_cost` is in US dollars for the life of this object, None for no limit. `budget`
        replaces it where several chats share one limit. `cool_down` is the number of seconds after
        which a failed model may be tried again; None for never. `thinking` is given where several
        chats learn together how much room a model needs to think.
        """
        self._chat = chat
        self._book = book
        self._identity = identity or chat.name
        self._price = price_of(chat.name, prices or {}) if chat.hosted else Price()
        self._purse = budget or Budget(max_cost)
        self._thinking = thinking or ThinkingRoom()
        self._give_up_after = give_up_after
        self._cool_down = cool_down
        self._lock = threading.Lock()
        self._flights: dict[str, Future[ChatReply]] = {}
        self._failures = 0
        self._failed_at = 0.0
        self._last_failure: Message | None = None
        self.spent = 0.0
        """US dollars so far."""
        self.calls = 0
        """Calls that reached the model."""

    @property
    def name(self) -> str:
        return self._chat.name

    @property
    def hosted(self) -> bool:
        return self._chat.hosted

    @property
    def notes(self) -> list[Message]:
        """What a person should know about the cost of this run, such as an unknown price."""
        notes = list[Message]()
        if room := self._thinking.tokens:
            notes.append(message("model.thinks", model=self.name, n=room))
        if self._price is not None:
            return notes
        limited = self._purse.limit is not None
        return [
            *notes,
            message("model.no_price_no_limit" if limited else "model.no_price", model=self.name),
        ]

    @property
    def gave_up(self) -> Message | None:
        """Why the model is no longer asked; None while it is."""
        if self._failures < self._give_up_after:
            return None
        if self._cool_down is not None and time.monotonic() - self._failed_at >= self._cool_down:
            return None
        return message("model.gave_up", model=self.name, n=self._failures, error=self._last_failure)

    async def complete(self, request: ChatRequest) -> ChatReply:
        key = answer_key(self._identity, request)
        while True:
            if (stored := self._book.answer(key)) is not None:
                self._write(request, Usage(), 0.0, "cached")
                return ChatReply(
                    stored.text, Usage(), "cached", stored.logprobs, tuple(stored.tool_uses)
                )
            with self._lock:
                flight = self._flights.get(key)
                if mine := flight is None:
                    flight = self._flights[key] = Future()
            assert flight is not None
            if mine:
                return await self._fly(key, request, flight)
            try:
                # Shielded: whoever stops waiting must not call off the others.
                answer = await asyncio.shield(asyncio.wrap_future(flight))
            except asyncio.CancelledError:
                if flight.cancelled():
                    continue  # the one that asked was called off; ask ourselves
                raise
            self._write(request, Usage(), 0.0, "cached")
            return replace(answer, usage=Usage(), outcome="cached")

    async def close(self) -> None:
        await self._chat.close()

    # ------------------------------------------------------------ one call

    async def _fly(self, key: str, request: ChatRequest, flight: "Future[ChatReply]") -> ChatReply:
        try:
            answer = await self._call(key, request)
        except asyncio.CancelledError:
            flight.cancel()
            raise
        except Exception as error:
            flight.set_exception(error)
            raise
        else:
            flight.set_result(answer)
            return answer
        finally:
            with self._lock:
                self._flights.pop(key, None)

    async def _call(self, key: str, request: ChatRequest) -> ChatReply:
        while True:
            room = self._thinking.tokens
            began = time.monotonic()
            answer = await self._ask(request, room)
            seconds = time.monotonic() - began
            if not self._thinking.grows(answer, room):
                return self._succeeded(key, request, answer, seconds)
            self._paid(request, answer.usage, seconds, "bad_answer")

    async def _ask(self, request: ChatRequest, room: int) -> ChatReply:
        """Ask with so many tokens of room for thinking; the answer's cost is in its usage."""
        asked = replace(request, max_tokens=request.max_tokens + room)
        reserved, began = self._reserve(asked), time.monotonic()
        try:
            answer = await self._chat.complete(asked)
        except ModelError as error:
            self._failed(request, error, time.monotonic() - began)
            raise
        finally:
            self._purse.release(reserved)
        usage = answer.usage.model_copy(update={"cost": self._cost(answer.usage)})
        return replace(answer, usage=usage)

    def _paid(
        self, request: ChatRequest, usage: Usage, seconds: float, outcome: LedgerOutcome
    ) -> None:
        self._purse.pay(usage.cost)
        with self._lock:
            self._failures = 0
            self.spent += usage.cost
            self.calls += 1
        self._write(request, usage, seconds, outcome)

    def _succeeded(
        self, key: str, request: ChatRequest, answer: ChatReply, seconds: float
    ) -> ChatReply:
        fits = _fits(answer, request)
        if fits:
            stored = StoredAnswer(
                text=answer.text,
                usage=answer.usage,
                logprobs=answer.logprobs,
                tool_uses=list(answer.tool_uses),
            )
            self._book.save_answer(key, request.user_id, stored)
            if request.repairs is not None:
                # Next time the first question is met with the good answer at once.
                self._book.save_answer(
                    answer_key(self._identity, request.repairs), request.user_id, stored
                )
        outcome: LedgerOutcome = (
            "bad_answer" if not fits else "repaired" if request.repairs else "ok"
        )
        self._paid(request, answer.usage, seconds, outcome)
        return answer

    def _failed(self, request: ChatRequest, error: ModelError, seconds: float) -> None:
        self._write(
            request,
            Usage(),
            seconds,
            "refused" if isinstance(error, ModelRefusedError) else "unavailable",
        )
        with self._lock:
            self.calls += 1
            if isinstance(error, ModelDeclinedError):
                self._failures = 0  # the model is there; it would not answer this one
            else:
                self._failures += 1
                self._failed_at = time.monotonic()
                self._last_failure = error.message

    def _reserve(self, request: ChatRequest) -> float:
        """Dollars set aside for a call at its dearest. Raises ModelUnavailableError or
        BudgetSpentError instead.
        """
        if reason := self.gave_up:
            raise ModelUnavailableError(reason)
        if self._book.is_loaded_elsewhere():
            raise ModelUnavailableError("model.store_loading", model=self.name)
        budget = self._purse
        if budget.limit is None or not self._price:
            return 0.0
        dearest = self._cost(
            Usage(input_tokens=self._input_tokens(request), output_tokens=request.max_tokens)
        )
        if not budget.reserve(dearest):
            raise BudgetSpentError(
                "model.budget_spent", limit=budget.limit, spent=budget.spent, dearest=dearest
            )
        return dearest

    def _cost(self, usage: Usage) -> float:
        price = self._price or Price()
        return (usage.input_tokens * price.input + usage.output_tokens * price.output) / 1e6

    def _input_tokens(self, request: ChatRequest) -> int:
        """Counted before sending: 4 tokens of framing a message, and the schema where one goes
        along.
        """
        schema = json.dumps(strict_schema(request.schema)) if request.schema else ""
        schema += "".join(
            f"{tool.name} {tool.description} {json.dumps(tool.parameters)}"
            for tool in request.tools
        )
        messages = sum(4 + tokens.count(message.content, self.name) for message in request.messages)
        return messages + tokens.count(schema, self.name)

    def _write(
        self, request: ChatRequest, usage: Usage, seconds: float, outcome: LedgerOutcome
    ) -> None:
        tokens = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
        log_run("llm", "call", seconds, {"purpose": request.purpose, "outcome": outcome, **tokens})
        self._book.add_ledger(
            LedgerRow(
                purpose=request.purpose,
                model=self.name,
                prompt=request.prompt,
                user_id=request.user_id,
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                cost=usage.cost,
                seconds=seconds,
                outcome=outcome,
                at=datetime.now(UTC),
            )
        )


def _fits(answer: ChatReply, request: ChatRequest) -> bool:
    """Whether an answer is worth keeping."""
    if request.schema is None:
        return answer.outcome != "truncated" or bool(request.choices)
    try:
        parse(answer.text, request.schema)
    except ValidationError:
        return False
    return True
