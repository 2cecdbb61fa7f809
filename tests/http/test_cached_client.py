"""The answer cache, the ledger, the cost limit, single flight and giving up, over real HTTP where
it matters.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest
from pydantic import BaseModel

from limner.core.errors import (
    BudgetSpentError,
    ModelAnswerError,
    ModelDeclinedError,
    ModelRefusedError,
    ModelUnavailableError,
)
from limner.core.schema import ChatMessage, Usage
from limner.core.settings import Price
from limner.llm import (
    Budget,
    CachedChat,
    ChatReply,
    ChatRequest,
    MemoryCache,
    OpenAIChat,
    Retries,
    answer_key,
    ask,
)
from limner.testing import Drip, Failure, FakeChat, ScriptedAnswer, ScriptedServer, WrongSchema


class Number(BaseModel):
    number: int


def question(
    text: str = "How many?",
    *,
    schema: type[BaseModel] | None = None,
    max_tokens: int = 512,
    temperature: float = 0.0,
    repeat: int = 0,
    choices: tuple[str, ...] = (),
) -> ChatRequest:
    messages = [ChatMessage(role="user", content=text)]
    return ChatRequest(
        "test", "test@1#0", messages, schema, "u1", max_tokens, temperature, repeat, choices
    )


def http_chat(server: ScriptedServer, budget: float = 0.05) -> OpenAIChat:
    return OpenAIChat(
        "scripted", server.base_url, retries=Retries(budget=budget, backoff=0.01), timeout=5.0
    )


async def test_nothing_is_paid_twice() -> None:
    book = MemoryCache()
    with ScriptedServer([ScriptedAnswer('{"number": 3}')]) as server:
        first, _ = await ask(CachedChat(http_chat(server), book), question(), Number)
        again, answer = await ask(CachedChat(http_chat(server), book), question(), Number)
    assert first == again and len(server.requests) == 1
    assert answer.outcome == "cached" and answer.usage == Usage()
    assert [row.outcome for row in book.rows] == ["ok", "cached"]
    assert {row.user_id for row in book.rows} == {"u1"} and {row.purpose for row in book.rows} == {
        "test"
    }
    assert book.rows[0].input_tokens > 0 and book.rows[1].input_tokens == 0


async def test_a_repaired_answer_is_found_at_the_first_question() -> None:
    book = MemoryCache()
    with ScriptedServer([WrongSchema(), ScriptedAnswer('{"number": 3}')]) as server:
        await ask(CachedChat(http_chat(server), book), question(), Number)
        value, answer = await ask(CachedChat(http_chat(server), book), question(), Number)
    assert value.number == 3 and answer.outcome == "cached" and len(server.requests) == 2
    assert [row.outcome for row in book.rows] == ["bad_answer", "repaired", "cached"]


async def test_bad_answers_are_not_kept() -> None:
    book = MemoryCache()
    with ScriptedServer(otherwise=WrongSchema()) as server, pytest.raises(ModelAnswerError):
        await ask(CachedChat(http_chat(server), book), question(), Number)
    assert not book.answers and [row.outcome for row in book.rows] == ["bad_answer", "bad_answer"]


class Other(BaseModel):
    number: float


@pytest.mark.parametrize(
    "other",
    [
        question("How few?"),
        question(repeat=1),
        question(temperature=0.5),
        question(max_tokens=9),
        question(choices=("one", "two")),
        question(schema=Number),
        replace(question(), prompt="test@2#1"),
        replace(question(), messages=[ChatMessage(role="system", content="How many?")]),
    ],
)
def test_the_key_holds_whatever_shapes_the_answer(other: ChatRequest) -> None:
    assert answer_key("m", other) != answer_key("m", question())
    assert answer_key("m", question()) != answer_key("another", question())
    assert answer_key("m", question(schema=Number)) != answer_key("m", question(schema=Other))


def test_the_key_is_the_same_whoever_it_is_about() -> None:
    assert answer_key("m", replace(question(), user_id="u2", purpose="x")) == answer_key(
        "m", question()
    )


async def test_identical_questions_at_once_are_one_call() -> None:
    book = MemoryCache()
    with ScriptedServer(otherwise=Drip(ScriptedAnswer("three"), pause=0.01, size=64)) as server:
        chat = CachedChat(http_chat(server), book)
        answers = await asyncio.gather(*(chat.complete(question()) for _ in range(5)))
    assert {answer.text for answer in answers} == {"three"} and len(server.requests) == 1
    assert sorted(row.outcome for row in book.rows) == ["cached"] * 4 + ["ok"]


class Slow(FakeChat):
    """Answers when told to."""

    def __init__(self) -> None:
        super().__init__(lambda _: "three")
        self.go = asyncio.Event()

    async def complete(self, request: ChatRequest) -> ChatReply:
        await self.go.wait()
        return await super().complete(request)


async def test_whoever_stops_waiting_does_not_stop_the_others() -> None:
    slow = Slow()
    chat = CachedChat(slow, MemoryCache())
    first, second, third = [asyncio.create_task(chat.complete(question())) for _ in range(3)]
    await asyncio.sleep(0.01)
    second.cancel()
    await asyncio.sleep(0.01)
    first.cancel()  # the one that asked: another takes over
    await asyncio.sleep(0.01)
    slow.go.set()
    assert (await third).text == "three" and len(slow.requests) == 1


async def test_a_failure_reaches_everyone_who_waits() -> None:
    with ScriptedServer(otherwise=Failure(404)) as server:
        chat = CachedChat(http_chat(server), MemoryCache())
        results = await asyncio.gather(
            *(chat.complete(question()) for _ in range(3)), return_exceptions=True
        )
    assert (
        all(isinstance(result, ModelRefusedError) for result in results)
        and len(server.requests) == 1
    )


# ---------------------------------------------------------------- giving up


async def test_three_failures_in_a_row_end_the_asking() -> None:
    book = MemoryCache()
    with ScriptedServer(otherwise=Failure(500)) as server:
        chat = CachedChat(http_chat(server), book, give_up_after=3)
        for i in range(3):
            with pytest.raises(ModelUnavailableError, match="answers 500"):
                await chat.complete(question(str(i)))
        asked = len(server.requests)
        with pytest.raises(
            ModelUnavailableError, match="failed 3 times in a row and is not asked any more"
        ):
            await chat.complete(question("4"))
    assert len(server.requests) == asked and len(book.rows) == 3
    assert chat.gave_up is not None and "answers 500" in chat.gave_up.text


async def test_success_starts_the_count_anew() -> None:
    with ScriptedServer(
        [
            Failure(404),
            Failure(404),
            ScriptedAnswer("ok"),
            Failure(404),
            Failure(404),
            ScriptedAnswer("ok"),
        ]
    ) as server:
        chat = CachedChat(http_chat(server), MemoryCache(), give_up_after=3)
        for i, good in enumerate([False, False, True, False, False, True]):
            if good:
                await chat.complete(question(str(i)))
            else:
                with pytest.raises(ModelRefusedError):
                    await chat.complete(question(str(i)))
    assert chat.gave_up is None


async def test_declining_is_not_failing() -> None:
    chat = CachedChat(
        FakeChat(lambda _: ModelDeclinedError("no")), book := MemoryCache(), give_up_after=2
    )
    for i in range(4):
        with pytest.raises(ModelDeclinedError):
            await chat.complete(question(str(i)))
    assert chat.gave_up is None and [row.outcome for row in book.rows] == ["refused"] * 4


async def test_what_is_cached_still_answers_after_giving_up() -> None:
    book = MemoryCache()
    await CachedChat(FakeChat(lambda _: "kept"), book).complete(question())
    down = CachedChat(FakeChat(lambda _: ModelUnavailableError("down")), book, give_up_after=1)
    with pytest.raises(ModelUnavailableError):
        await down.complete(question("new"))
    assert (await down.complete(question())).text == "kept"


async def test_a_long_lived_process_tries_again_after_cooling_down() -> None:
    replies: Iterator[Exception | str] = iter([ModelUnavailableError("down"), "up"])
    chat = CachedChat(
        FakeChat(lambda _: next(replies)), MemoryCache(), give_up_after=1, cool_down=0.0
    )
    with pytest.raises(ModelUnavailableError):
        await chat.complete(question("1"))
    assert (await chat.complete(question("2"))).text == "up"


# ---------------------------------------------------------------- money

PRICES = {"gpt-4o-mini": Price(input=1.0, output=100.0)}


def paid(answer: str = "ok", name: str = "gpt-4o-mini") -> FakeChat:
    usage = Usage(input_tokens=1000, output_tokens=10)
    return FakeChat(lambda _: ChatReply(answer, usage), name=name, hosted=True)


async def test_cost_is_counted_from_the_prices() -> None:
    book = MemoryCache()
    chat = CachedChat(paid(name="gpt-4o-mini-2024-07-18"), book, prices=PRICES)
    answer = await chat.complete(question())
    assert answer.usage.cost == pytest.approx(0.002) == book.rows[0].cost == chat.spent
    assert chat.notes == []


async def test_a_price_that_is_not_known_is_said() -> None:
    chat = CachedChat(paid(name="mystery"), MemoryCache(), prices=PRICES, max_cost=1.0)
    assert (await chat.complete(question())).usage.cost == 0.0
    assert (
        "price of mystery is not known" in chat.notes[0].text and "--max-cost" in chat.notes[0].text
    )
    assert CachedChat(paid(name="gpt-4o-mini-audio"), MemoryCache(), prices=PRICES).notes, (
        "a family is not a prefix"
    )


async def test_what_stays_on_the_machine_costs_nothing() -> None:
    chat = CachedChat(FakeChat(lambda _: "ok"), MemoryCache(), prices=PRICES, max_cost=0.0)
    assert (await chat.complete(question())).usage.cost == 0.0 and chat.notes == []


async def test_the_cost_limit_stops_before_the_call_that_would_exceed_it() -> None:
    inner = paid()
    book = MemoryCache()
    chat = CachedChat(inner, book, prices=PRICES, max_cost=0.0055)
    for i in range(2):
        await chat.complete(
            question(str(i), max_tokens=20)
        )  # $0.002 each, at most $0.002 and a little expected
    with pytest.raises(BudgetSpentError, match="higher --max-cost"):
        await chat.complete(question("3", max_tokens=20))
    assert len(inner.requests) == 2 and chat.spent <= 0.0055
    assert (await chat.complete(question("0", max_tokens=20))).outcome == "cached", (
        "what is paid for stays usable"
    )


async def test_calls_at_once_share_the_limit() -> None:
    slow = Slow()
    slow.name, slow.hosted = "gpt-4o-mini", True
    chat = CachedChat(slow, MemoryCache(), prices=PRICES, max_cost=0.0025)
    calls = [asyncio.create_task(chat.complete(question(str(i), max_tokens=20))) for i in range(3)]
    await asyncio.sleep(0.01)
    slow.go.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(result, BudgetSpentError) for result in results) == 2


async def test_several_chats_may_pay_from_one_purse() -> None:
    budget = Budget(0.0055)
    chats = [CachedChat(paid(), MemoryCache(), prices=PRICES, budget=budget) for _ in range(3)]
    for chat in chats[:2]:
        await chat.complete(question(max_tokens=20))
    assert not budget.is_short
    with pytest.raises(BudgetSpentError):
        await chats[2].complete(question(max_tokens=20))
    assert (
        budget.is_short
        and budget.spent == pytest.approx(0.004)
        and chats[0].spent == pytest.approx(0.002)
    )
