"""The chat over real HTTP, against every way in which a server can misbehave."""

import asyncio
from typing import Literal

import pytest
from pydantic import BaseModel, Field

from limner.core.errors import (
    ModelAnswerError,
    ModelDeclinedError,
    ModelRefusedError,
    ModelUnavailableError,
)
from limner.core.schema import ChatMessage
from limner.llm import ChatRequest, OpenAIChat, Retries, ask
from limner.testing import (
    Drip,
    Drop,
    Echo,
    Failure,
    Garbage,
    Hang,
    Invented,
    Refusal,
    ScriptedAnswer,
    ScriptedServer,
    Truncated,
    WrongSchema,
)


class Colour(BaseModel):
    colour: Literal["red", "blue"]
    evidence: list[int] = Field(min_length=1)


FAST = Retries(budget=5.0, backoff=0.01)
GOOD = '{"colour": "blue", "evidence": [2]}'


def chat_of(server: ScriptedServer, retries: Retries = FAST, **options: object) -> OpenAIChat:
    defaults: dict[str, object] = {
        "name": "scripted",
        "base_url": server.base_url,
        "retries": retries,
        "timeout": 5.0,
    }
    return OpenAIChat(**(defaults | options))  # type: ignore[arg-type]


def question(text: str = "Which colour?", **options: object) -> ChatRequest:
    return ChatRequest("test", "test@1#0", [ChatMessage(role="user", content=text)], **options)  # type: ignore[arg-type]


async def test_answers_in_the_schema_asked_for() -> None:
    with ScriptedServer([ScriptedAnswer(GOOD)]) as server:
        value, answer = await ask(chat_of(server), question(), Colour)
    assert value == Colour(colour="blue", evidence=[2])
    assert answer.outcome == "ok" and answer.usage.input_tokens == 2
    sent = server.requests[0].body
    assert sent["model"] == "scripted" and sent["temperature"] == 0.0 and sent["max_tokens"] == 512
    assert server.requests[0].schema == {
        "type": "object",
        "properties": {
            "colour": {"enum": ["red", "blue"], "type": "string"},
            "evidence": {"items": {"type": "integer"}, "minItems": 1, "type": "array"},
        },
        "required": ["colour", "evidence"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    "trouble",
    [
        Failure(429, retry_after=0.01),
        Failure(429),
        Failure(500),
        Failure(503, retry_after="Wed, 21 Oct 2015 07:28:00 GMT"),
        Failure(408),
        Drop(),
        Drop(after=20),
        Garbage(),
        Garbage('{"no": "choices"}'),
        Garbage('{"choices": [{}]}'),
    ],
    ids=str,
)
async def test_asks_again_after_passing_trouble(trouble: Failure) -> None:
    with ScriptedServer([trouble, trouble, ScriptedAnswer(GOOD)]) as server:
        value, _ = await ask(chat_of(server), question(), Colour)
    assert value.colour == "blue" and len(server.requests) == 3


async def test_asks_again_after_a_time_out() -> None:
    with ScriptedServer([Hang(), ScriptedAnswer(GOOD)]) as server:
        value, _ = await ask(chat_of(server, timeout=0.2), question(), Colour)
    assert value.colour == "blue" and len(server.requests) == 2


async def test_a_drip_within_the_time_out_is_an_answer() -> None:
    with ScriptedServer([Drip(ScriptedAnswer(GOOD), size=100, pause=0.001)]) as server:
        value, _ = await ask(chat_of(server), question(), Colour)
    assert value.colour == "blue"


async def test_a_drip_does_not_stretch_the_time_out() -> None:
    """Every byte comes in time, the answer never does."""
    with (
        ScriptedServer(otherwise=Drip(ScriptedAnswer(GOOD), size=1, pause=0.05)) as server,
        pytest.raises(ModelUnavailableError, match="did not answer within"),
    ):
        await chat_of(server, Retries(budget=0.3, backoff=0.01), timeout=0.2).complete(question())


async def test_waits_as_long_as_it_is_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    sleep = asyncio.sleep

    async def record(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", record)
    with ScriptedServer(
        [Failure(429, retry_after=7), Failure(503), Failure(503), ScriptedAnswer(GOOD)]
    ) as server:
        await ask(chat_of(server, Retries(budget=20.0, backoff=0.5)), question(), Colour)
    asked, first, second = [seconds for seconds in slept if seconds]
    assert 7.0 <= asked <= 8.0, "what the server asked, with a little jitter"
    assert 0.25 <= first <= 1.0 and 0.25 <= second <= 2.0


async def test_no_retry_begins_after_the_budget() -> None:
    with (
        ScriptedServer(otherwise=Failure(429, retry_after=60)) as server,
        pytest.raises(ModelUnavailableError, match="answers 429, and asks to wait 60 s") as caught,
    ):
        await chat_of(server, Retries(budget=20.0)).complete(question())
    assert len(server.requests) == 1, "60 s do not fit into 20, so it does not wait at all"
    assert "LIMNER_LLM=none" in str(caught.value)


async def test_gives_up_when_the_budget_is_spent() -> None:
    with (
        ScriptedServer(otherwise=Failure(500)) as server,
        pytest.raises(ModelUnavailableError, match="answers 500"),
    ):
        await chat_of(server, Retries(budget=0.3, backoff=0.02)).complete(question())
    assert len(server.requests) > 1


async def test_nothing_listens() -> None:
    with ScriptedServer() as server:
        address = server.base_url
    with pytest.raises(ModelUnavailableError, match="cannot be reached"):
        await OpenAIChat("scripted", address, retries=FAST).complete(question())


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "refuses the request"),
        (401, "OPENAI_API_KEY"),
        (403, "does not allow"),
        (404, "LIMNER_LLM_MODEL"),
        (413, "too long"),
        (422, "refuses"),
    ],
)
async def test_4xx_is_final(status: int, words: str) -> None:
    with ScriptedServer([Failure(status)]) as server, pytest.raises(ModelRefusedError, match=words):
        await chat_of(server).complete(question())
    assert len(server.requests) == 1


async def test_a_wrong_key_is_said_once_and_never_shown() -> None:
    with ScriptedServer(api_key="right") as server, pytest.raises(ModelRefusedError) as caught:
        await chat_of(server, api_key="sk-secret-secret").complete(question())
    assert "sk-secret" not in str(caught.value) + repr(chat_of(server, api_key="sk-secret-secret"))
    assert len(server.requests) == 1


async def test_a_refusal_is_final() -> None:
    with (
        ScriptedServer([Refusal("I will not.")]) as server,
        pytest.raises(ModelDeclinedError, match=r"I will not\."),
    ):
        await ask(chat_of(server), question(), Colour)
    assert len(server.requests) == 1


async def test_a_content_filter_is_final() -> None:
    with (
        ScriptedServer([ScriptedAnswer("", finish="content_filter")]) as server,
        pytest.raises(ModelDeclinedError, match="filter"),
    ):
        await chat_of(server).complete(question())


@pytest.mark.parametrize(
    "bad",
    [WrongSchema(), Truncated(GOOD), ScriptedAnswer("no JSON at all"), ScriptedAnswer("")],
    ids=str,
)
async def test_a_bad_answer_is_sent_back_once_with_the_error(bad: ScriptedAnswer) -> None:
    with ScriptedServer([bad, ScriptedAnswer(GOOD)]) as server:
        value, answer = await ask(chat_of(server), question(), Colour)
    assert value.colour == "blue" and answer.outcome == "repaired"
    messages = server.requests[1].body["messages"]
    assert isinstance(messages, list) and [message["role"] for message in messages] == [
        "user",
        "assistant",
        "user",
    ]
    assert "corrected JSON" in messages[2]["content"]
    assert answer.usage.output_tokens >= 4, "both answers are counted"


async def test_the_error_is_named_when_sent_back() -> None:
    with ScriptedServer(
        [ScriptedAnswer('{"colour": "green", "evidence": []}'), ScriptedAnswer(GOOD)]
    ) as server:
        await ask(chat_of(server), question(), Colour)
    text = server.requests[1].text
    assert (
        "colour: Input should be 'red' or 'blue'" in text
        and "evidence: List should have at least 1 item" in text
    )


async def test_a_cut_answer_is_given_more_room() -> None:
    with ScriptedServer([Truncated(GOOD), ScriptedAnswer(GOOD)]) as server:
        await ask(chat_of(server), question(max_tokens=20), Colour)
    assert [seen.body["max_tokens"] for seen in server.requests] == [20, 40]
    assert "cut off" in server.requests[1].text


async def test_two_bad_answers_are_an_error() -> None:
    with (
        ScriptedServer(otherwise=WrongSchema()) as server,
        pytest.raises(ModelAnswerError, match="colour"),
    ):
        await ask(chat_of(server), question(), Colour)
    assert len(server.requests) == 2


async def test_invented_ids_pass_the_schema() -> None:
    """That they exist is for verification to check; the protocol hands them on as they are."""
    with ScriptedServer([Invented()]) as server:
        value, _ = await ask(chat_of(server), question(), Colour)
    assert value.evidence == [999]


# ---------------------------------------------------------------- servers that know less


async def test_steps_down_to_json_object_and_remembers() -> None:
    with ScriptedServer(
        otherwise=ScriptedAnswer(f"```json\n{GOOD}\n```"), speaks=["json_object", "text"]
    ) as server:
        chat = chat_of(server)
        for _ in range(2):
            value, _ = await ask(chat, question(), Colour)
            assert value.colour == "blue"
    forms = [seen.body["response_format"]["type"] for seen in server.requests]  # type: ignore[index]
    assert forms == ["json_schema", "json_object", "json_object"]
    assert '"enum":["red","blue"]' in server.requests[1].text, (
        "the schema stands in the prompt instead"
    )


async def test_steps_down_to_words_only() -> None:
    with ScriptedServer(otherwise=ScriptedAnswer(GOOD), speaks=["text"]) as server:
        value, _ = await ask(chat_of(server), question(), Colour)
    assert value.colour == "blue" and "response_format" not in server.requests[-1].body


async def test_a_400_that_is_not_about_the_form_changes_nothing() -> None:
    bad = Failure(400, "the model is on holiday")
    with ScriptedServer([bad, bad, bad, ScriptedAnswer(GOOD)]) as server:
        chat = chat_of(server)
        with pytest.raises(ModelRefusedError, match="on holiday"):
            await ask(chat, question(), Colour)
        await ask(chat, question(), Colour)
    assert server.requests[-1].schema is not None


async def test_a_server_that_contradicts_itself_is_not_asked_forever() -> None:
    with (
        ScriptedServer(otherwise=Failure(400, "use max_completion_tokens, or do not")) as server,
        pytest.raises(ModelRefusedError, match="or do not"),
    ):
        await chat_of(server).complete(question())
    assert len(server.requests) < 10


async def test_too_long_is_not_mistaken_for_a_missing_feature() -> None:
    with (
        ScriptedServer(
            otherwise=Failure(400, "the request exceeds the available context size")
        ) as server,
        pytest.raises(ModelRefusedError, match="too long"),
    ):
        await ask(chat_of(server), question(), Colour)
    assert len(server.requests) == 1


async def test_leaves_out_what_a_reasoning_model_refuses() -> None:
    with ScriptedServer(
        [
            Failure(
                400,
                "Unsupported parameter: use 'max_completion_tokens' instead.",
                param="max_tokens",
            ),
            Failure(
                400, "Unsupported value: 'temperature' does not support 0.", param="temperature"
            ),
            ScriptedAnswer("yes"),
        ]
    ) as server:
        assert (await chat_of(server).complete(question())).text == "yes"
    last = server.requests[-1].body
    assert (
        last["max_completion_tokens"] == 512
        and "max_tokens" not in last
        and "temperature" not in last
    )


# ---------------------------------------------------------------- log-probabilities


async def test_log_probabilities_of_the_first_token() -> None:
    with ScriptedServer(
        [ScriptedAnswer("Yes", {"Yes": -0.5, " yes": -1.5, "No": -2.0, "maybe": -6.0})]
    ) as server:
        answer = await chat_of(server).complete(
            question(choices=("yes", "no", "unsure"), max_tokens=1)
        )
    assert server.requests[0].body["top_logprobs"] == 20
    assert answer.logprobs is not None
    assert answer.logprobs["yes"] == pytest.approx(-0.1867, abs=1e-3), (
        "spellings add up: ln(e^-0.5 + e^-1.5)"
    )
    assert answer.logprobs["no"] == pytest.approx(-2.0)
    assert answer.logprobs["unsure"] == pytest.approx(-6.0), "bounded by the lowest that is listed"


async def test_a_server_without_log_probabilities() -> None:
    with ScriptedServer(otherwise=ScriptedAnswer("yes"), logprobs=False) as server:
        chat = chat_of(server)
        assert (await chat.complete(question(choices=("yes", "no")))).logprobs is None
        assert (await chat.complete(question(choices=("yes", "no")))).logprobs is None
    assert len(server.requests) == 3, "it asks with them once, and remembers"


# ---------------------------------------------------------------- at once, and in several loops


async def test_no_more_requests_at_once_than_the_limit() -> None:
    import threading

    lock, under_way, most = threading.Lock(), 0, 0

    def watched(_: object) -> ScriptedAnswer:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        threading.Event().wait(0.03)
        with lock:
            under_way -= 1
        return ScriptedAnswer("ok")

    with ScriptedServer(otherwise=watched) as server:
        chat = chat_of(server, limit=2)
        await asyncio.gather(*(chat.complete(question(str(i))) for i in range(6)))
    assert most == 2


def test_one_chat_serves_several_event_loops() -> None:
    """Doors run each command in a loop of its own."""
    with ScriptedServer(otherwise=Echo()) as server:
        chat = chat_of(server)
        answers = [asyncio.run(chat.complete(question(str(i)))).text for i in range(3)]
    assert answers == ["0", "1", "2"]


async def test_the_default_script_answers_with_the_smallest_value_that_fits() -> None:
    with ScriptedServer() as server:
        value, _ = await ask(chat_of(server), question(), Colour)
    assert value == Colour(colour="red", evidence=[1])
