"""Servers that understand less, or say things in their own way, over real HTTP."""

import json

import pytest
from pydantic import BaseModel

from limner.core.errors import ModelDeclinedError, ModelRefusedError
from limner.core.schema import ChatMessage
from limner.llm import CachedChat, ChatRequest, MemoryCache, OpenAIChat, Retries, ask
from limner.llm.dialect import Complaint
from limner.testing import (
    Behaviour,
    Echo,
    Failure,
    Garbage,
    Json,
    ScriptedAnswer,
    ScriptedServer,
    SeenRequest,
)


class Colour(BaseModel):
    name: str


QUESTION = ChatRequest(
    "phrase",
    "p@1",
    [ChatMessage(role="system", content="Be brief."), ChatMessage(role="user", content="Which?")],
)


def chat_of(server: ScriptedServer) -> OpenAIChat:
    return OpenAIChat("m", server.base_url, api_key="k", retries=Retries(budget=0.3, backoff=0.01))


def completion(
    content: object, finish: str = "stop", tokens: int = 5, **message: object
) -> Garbage:
    """A completion as some servers word it."""
    choice: Json = {
        "index": 0,
        "finish_reason": finish,
        "message": {"role": "assistant", "content": content, **message},
    }
    usage = {"prompt_tokens": 7, "completion_tokens": tokens, "total_tokens": 7 + tokens}
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
    return Garbage(json.dumps({**body, "choices": [choice], "usage": usage}))


THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "hm {x}"}]}


@pytest.mark.parametrize(
    "answer",
    [
        completion([THOUGHT, {"type": "text", "text": '{"name": "red"}'}]),
        completion('<think>maybe {"name": "blue"}?</think>\n{"name": "red"}'),
        completion('They want {"x"}.\n</think>{"name": "red"}'),
        completion('{"name": "red"}', reasoning_content='{"name": "blue"}'),
    ],
    ids=["parts", "tags", "unopened", "own field"],
)
async def test_thinking_never_spoils_the_answer_behind_it(answer: Garbage) -> None:
    with ScriptedServer([answer]) as server:
        value, _ = await ask(chat_of(server), QUESTION, Colour)
    assert value.name == "red" and len(server.requests) == 1


async def test_a_model_that_thinks_its_limit_away_gets_room_once_for_all() -> None:
    def thinks(seen: SeenRequest) -> Behaviour:
        limit = seen.body["max_tokens"]
        assert isinstance(limit, int)
        return completion(None, "length", limit) if limit < 1000 else completion("red")

    book = MemoryCache()
    with ScriptedServer(otherwise=thinks) as server:
        chat = CachedChat(chat_of(server), book)
        assert (await chat.complete(QUESTION)).text == "red"
        other = ChatRequest("phrase", "p@2", QUESTION.messages)
        assert (await chat.complete(other)).text == "red"
    assert [seen.body["max_tokens"] for seen in server.requests] == [512, 1536, 1536]
    assert [row.outcome for row in book.rows] == ["bad_answer", "ok", "ok"]
    assert [row.output_tokens for row in book.rows] == [512, 5, 5] and chat.calls == 3
    assert any("thinks before it answers" in str(note) for note in chat.notes)


async def test_a_model_that_never_comes_to_an_end_is_not_asked_for_ever() -> None:
    with ScriptedServer(otherwise=completion("<think>and", "length")) as server:
        reply = await CachedChat(chat_of(server), MemoryCache()).complete(QUESTION)
    assert (reply.text, reply.outcome) == ("", "truncated") and len(server.requests) == 4


async def test_a_server_without_system_messages_gets_them_before_the_first_question() -> None:
    def no_system(seen: SeenRequest) -> Behaviour:
        roles = [message["role"] for message in seen.messages]
        if "system" in roles:
            return Failure(400, "Unsupported value: role 'system' is not supported.")
        return Echo()

    with ScriptedServer(otherwise=no_system) as server:
        chat = chat_of(server)
        assert (await chat.complete(QUESTION)).text == "Be brief.\n\nWhich?"
        await chat.complete(QUESTION)
    assert len(server.requests) == 3, "it is remembered"


def error(**given: object) -> Garbage:
    return Garbage(json.dumps({"error": given}))


async def test_an_error_inside_a_success_is_an_error() -> None:
    unstructured = error(message="No endpoints support structured outputs", code=404)
    with ScriptedServer([unstructured, unstructured, ScriptedAnswer('{"name": "red"}')]) as server:
        value, _ = await ask(chat_of(server), QUESTION, Colour)
    assert value.name == "red"
    with ScriptedServer([error(message="busy", code=502), ScriptedAnswer("red")]) as server:
        assert (await chat_of(server).complete(QUESTION)).text == "red"
    with (
        ScriptedServer([error(message="no such model", code="404")]) as server,
        pytest.raises(ModelRefusedError, match="no such model"),
    ):
        await chat_of(server).complete(QUESTION)


async def test_a_content_filter_declines_one_question() -> None:
    filtered = Failure(400, "triggering the content management policy", code="content_filter")
    with ScriptedServer([filtered, ScriptedAnswer("red")]) as server:
        chat = CachedChat(chat_of(server), MemoryCache(), give_up_after=1)
        with pytest.raises(ModelDeclinedError, match="content filter"):
            await chat.complete(QUESTION)
        other = ChatRequest("phrase", "p@2", QUESTION.messages)
        assert (await chat.complete(other)).text == "red"
    assert len(server.requests) == 2


async def test_no_credit_is_final_and_said() -> None:
    spent = Failure(429, "You exceeded your quota.", code="insufficient_quota")
    with (
        ScriptedServer(otherwise=spent) as server,
        pytest.raises(ModelRefusedError, match="no credit left: You exceeded your quota"),
    ):
        await chat_of(server).complete(QUESTION)
    assert len(server.requests) == 1


async def test_a_request_that_is_too_long_is_said_to_be() -> None:
    text = "This model's maximum context length is 2048 tokens."
    with (
        ScriptedServer([Failure(400, text)]) as server,
        pytest.raises(ModelRefusedError, match="too long"),
    ):
        await ask(chat_of(server), QUESTION, Colour)
    assert len(server.requests) == 1


async def test_log_probabilities_that_are_forbidden_are_left_out() -> None:
    forbidden = Failure(403, "You are not allowed to request logprobs from this model")
    request = ChatRequest("rerank", "p@1", QUESTION.messages, choices=("yes", "no"))
    with ScriptedServer([forbidden, ScriptedAnswer("yes")]) as server:
        assert (await chat_of(server).complete(request)).logprobs is None


async def test_queries_of_an_address_go_with_every_request() -> None:
    with ScriptedServer(otherwise=Echo()) as server:
        address = server.base_url.replace("/v1", "/v1?api-version=2024-06-01")
        chat = OpenAIChat("m", address, api_key="k")
        assert (await chat.complete(QUESTION)).text == "Which?"
        [seen] = server.requests
    assert seen.query == {"api-version": "2024-06-01"} and seen.headers["api-key"] == "k"


async def test_nothing_listens_behind_a_proxy_that_is_not_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with ScriptedServer(otherwise=Echo()) as server:
        assert (await chat_of(server).complete(QUESTION)).text == "Which?"


def test_what_passes_and_what_does_not() -> None:
    assert Complaint(429, "slow down").is_passing
    assert not Complaint(429, "x", "insufficient_quota").is_passing
    assert not Complaint(402, "pay").is_passing and Complaint(402, "pay").is_credit
