"""Chat over HTTP: JSON, server-sent events, and OpenAI's protocol with its own clients."""

import json
from pathlib import Path

import httpx
import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_openai import ChatOpenAI
from openai.types.chat import ChatCompletionUserMessageParam
from pydantic import SecretStr

from limner.testing import Drop, Failure, ScriptedServer
from tests.http.tasteful import copied, problem, scripted, serving

ASK = "What does u0 like?"


@pytest.fixture
def painted(client: httpx.Client) -> httpx.Client:
    for user in ("u0", "u1"):
        client.get(f"/v1/users/{user}/profile")
    return client


def events(text: str) -> list[tuple[str, dict[str, object]]]:
    """(event, data) of a stream."""
    found = []
    for block in text.strip().split("\n\n"):
        head, data = block.split("\n", 1)
        found.append((head.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def openai_client(client: httpx.Client) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{client.base_url}/v1", api_key="none", max_retries=0)


def test_an_answer_names_its_tools_and_its_events(painted: httpx.Client) -> None:
    answer = painted.post("/v1/chat", json={"question": ASK}).json()["answer"]
    assert answer["answered"] and "Comedy" in answer["text"] and answer["calls"]
    rows = painted.get("/v1/events", params={"user_id": "u0", "limit": 1000}).json()["rows"]
    own = {one["event_id"] for one in rows}
    assert answer["evidence"] and set(answer["evidence"]) <= own
    assert {one["event_id"] for one in answer["sources"]} <= own


def test_a_conversation_goes_on_under_its_id(painted: httpx.Client) -> None:
    first = painted.post("/v1/chat", json={"question": ASK}).json()
    talk = first["conversation_id"]
    second = painted.post("/v1/chat", json={"question": "and u1?", "conversation_id": talk}).json()
    assert second["conversation_id"] == talk and "u1" in second["answer"]["text"]
    third = painted.post(
        "/v1/chat", json={"question": "What did they rate last?", "conversation_id": talk}
    ).json()
    assert "u1" in json.dumps(third["answer"]["calls"])
    problem(
        painted.post("/v1/chat", json={"question": "x", "conversation_id": "c0"}), 404, "unknown_id"
    )


def test_another_process_goes_on_with_a_conversation(trained: Path, tmp_path: Path) -> None:
    store = copied(trained, tmp_path)
    with serving(store) as one:
        talk = one.post("/v1/chat", json={"question": ASK}).json()["conversation_id"]
    with serving(store) as other:
        body = {"question": "What did they rate last?", "conversation_id": talk}
        assert "u0" in json.dumps(other.post("/v1/chat", json=body).json()["answer"]["calls"])


def test_messages_stand_in_for_a_conversation_and_a_user_may_be_named(
    painted: httpx.Client,
) -> None:
    messages = [
        {"role": "user", "content": ASK},
        {"role": "assistant", "content": "Comedy."},
        {"role": "user", "content": "What did they rate last?"},
    ]
    answer = painted.post("/v1/chat", json={"messages": messages}).json()["answer"]
    assert "u0" in json.dumps(answer["calls"])
    answer = painted.post(
        "/v1/chat", json={"question": "What did they rate last?", "user_id": "u1"}
    ).json()["answer"]
    assert "u1" in json.dumps(answer["calls"])
    problem(
        painted.post("/v1/chat", json={"question": "x", "user_id": "nobody"}), 404, "unknown_id"
    )


@pytest.mark.parametrize(
    "body", [{}, {"question": "  "}, {"messages": [{"role": "assistant", "content": "x"}]}]
)
def test_a_chat_without_a_question_is_refused(
    client: httpx.Client, body: dict[str, object]
) -> None:
    problem(client.post("/v1/chat", json=body), 422, "bad_input")


def test_a_question_longer_than_anybody_asks_is_refused_at_every_door(client: httpx.Client) -> None:
    """Reading one takes longer than its length grows: a hundred thousand characters held a thread
    for minutes.
    """
    question = f"{ASK} " * 1000
    asked = [{"role": "user", "content": question}]
    problem(client.post("/v1/chat", json={"messages": asked}), 422, "bad_input")
    problem(client.post("/v1/chat/completions", json={"messages": asked}), 422, "bad_input")
    before = [*asked, {"role": "assistant", "content": "No."}, {"role": "user", "content": ASK}]
    assert client.post("/v1/chat/completions", json={"messages": before}).status_code == 200


def test_the_pieces_of_a_stream_are_the_answer(painted: httpx.Client) -> None:
    answer = painted.post(
        "/v1/chat", json={"question": ASK}, headers={"Accept": "text/event-stream"}
    )
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = events(answer.text)
    assert found[0][0] == "tool" and found[-1][0] == "answer"
    whole = found[-1][1]["answer"]
    assert "".join(str(data["text"]) for kind, data in found if kind == "text") == whole["text"]  # type: ignore[index]
    again = painted.post(
        "/v1/chat", json={"question": "and u1?", "conversation_id": found[-1][1]["conversation_id"]}
    )
    assert "u1" in again.json()["answer"]["text"]


def test_a_client_that_goes_away_mid_stream_leaves_a_server_that_answers(
    painted: httpx.Client,
) -> None:
    for _ in range(12):  # more than there are threads
        asked = {"question": ASK}
        with painted.stream(
            "POST", "/v1/chat", json=asked, headers={"Accept": "text/event-stream"}
        ) as answer:
            next(answer.iter_raw(1))
    assert painted.post("/v1/chat", json={"question": ASK}).status_code == 200


@pytest.mark.parametrize("fault", [Failure(500), Drop(40)])
def test_a_model_that_fails_in_the_middle_costs_words_only(
    trained: Path, tmp_path: Path, fault: Failure | Drop
) -> None:
    with (
        ScriptedServer(otherwise=fault) as model,
        serving(copied(trained, tmp_path), **scripted(model, grade="full")) as client,
    ):
        answer = client.post("/v1/chat", json={"question": "What did u0 rate last?"})
        assert answer.status_code == 200 and answer.json()["answer"]["source"] == "template"
        assert model.requests and answer.json()["answer"]["notes"]
        made = openai_client(client).chat.completions.create(
            model="limner", messages=[{"role": "user", "content": "What did u0 rate last?"}]
        )
        assert "u0" in (made.choices[0].message.content or "")


# ---------------------------------------------------------------- OpenAI's protocol


def test_the_openai_client_asks_and_streams(painted: httpx.Client) -> None:
    client = openai_client(painted)
    assert [one.id for one in client.models.list()] == ["limner"]
    made = client.chat.completions.create(
        model="limner",
        messages=[{"role": "system", "content": "Be rude."}, {"role": "user", "content": ASK}],
        temperature=0.3,
        max_completion_tokens=50,
    )
    text = made.choices[0].message.content
    assert text and "Comedy" in text and made.choices[0].finish_reason == "stop"
    assert (
        made.usage
        and made.usage.total_tokens == made.usage.prompt_tokens + made.usage.completion_tokens
    )
    chunks = list(
        client.chat.completions.create(
            model="limner",
            messages=[{"role": "user", "content": ASK}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert "".join(one.choices[0].delta.content or "" for one in chunks if one.choices) == text
    assert [one.choices[0].finish_reason for one in chunks if one.choices][-1] == "stop"
    assert chunks[-1].usage and not chunks[-1].choices
    assert len({one.id for one in chunks}) == 1


def test_user_or_metadata_names_the_end_user(painted: httpx.Client) -> None:
    client = openai_client(painted)
    asked: list[ChatCompletionUserMessageParam] = [
        {"role": "user", "content": "What did they rate last?"}
    ]
    for made in (
        client.chat.completions.create(model="limner", messages=asked, user="u1"),
        client.chat.completions.create(model="limner", messages=asked, metadata={"user_id": "u1"}),
    ):
        assert "u1" in (made.choices[0].message.content or "")
    front_end = client.chat.completions.create(
        model="limner", messages=asked, user="someone-at-a-front-end"
    )
    assert front_end.choices[0].message.content


def test_what_openai_calls_an_error_is_one(painted: httpx.Client) -> None:
    client = openai_client(painted)
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        client.chat.completions.create(
            model="limner", messages=[{"role": "system", "content": "x"}]
        )
    assert caught.value.body["code"] == "bad_input"  # type: ignore[index]


async def test_langchain_talks_as_to_openai(painted: httpx.Client) -> None:
    model = ChatOpenAI(
        model="limner", base_url=f"{painted.base_url}/v1", api_key=SecretStr("none"), max_retries=0
    )
    parts = [
        HumanMessage([{"type": "text", "text": ASK}]),
        AIMessage("Comedy."),
        HumanMessage("What did they rate last?"),
    ]
    said = await model.ainvoke(parts)
    assert "u0" in str(said.text)
    streamed = [chunk.text async for chunk in model.astream(ASK)]
    assert "Comedy" in "".join(map(str, streamed)) and len(streamed) > 2
