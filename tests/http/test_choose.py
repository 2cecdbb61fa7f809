"""Choosing an endpoint, and what the scripted server offers besides chat."""

import pytest

from limner.core.errors import ModelRefusedError, ModelUnavailableError
from limner.core.schema import ChatMessage
from limner.core.settings import Settings, load_settings
from limner.llm import ChatRequest, choose_chat
from limner.testing import CallTool, Failure, ScriptedAnswer, ScriptedServer, hash_vector


def settings_for(base_url: str, **more: str) -> Settings:
    return load_settings({"OPENAI_BASE_URL": base_url, **more})


async def test_a_servers_first_model_answers() -> None:
    with ScriptedServer([ScriptedAnswer("hello")], model="house-model") as server:
        chosen = choose_chat(settings_for(server.base_url + "/"))
        assert chosen is not None and chosen.name == "house-model" and not chosen.hosted
        assert chosen.identity == f"house-model {server.base_url}" and chosen.where.startswith(
            "at 127.0.0.1"
        )
        answer = await chosen.chat.complete(
            ChatRequest("test", "t", [ChatMessage(role="user", content="Hi")])
        )
        await chosen.close()
    assert answer.text == "hello" and server.requests[0].body["model"] == "house-model"


async def test_a_named_model_is_taken_at_its_word() -> None:
    with ScriptedServer([ScriptedAnswer("hello")], api_key="sk-right") as server:
        chosen = choose_chat(
            settings_for(server.base_url, LIMNER_LLM_MODEL="mine", OPENAI_API_KEY="sk-right")
        )
        assert chosen is not None
        await chosen.chat.complete(
            ChatRequest("test", "t", [ChatMessage(role="user", content="Hi")])
        )
    assert server.requests[0].body["model"] == "mine"


def test_a_wrong_key_is_one_sentence() -> None:
    with (
        ScriptedServer(api_key="sk-right") as server,
        pytest.raises(ModelRefusedError, match="API_KEY") as caught,
    ):
        choose_chat(settings_for(server.base_url, OPENAI_API_KEY="sk-wrong-key"))
    assert "sk-wrong" not in str(caught.value)


def test_nobody_there_is_one_sentence() -> None:
    with ScriptedServer() as server:
        address = server.base_url
    with pytest.raises(ModelUnavailableError, match=r"No model answers at .*LIMNER_LLM=none"):
        choose_chat(settings_for(address))


def test_an_address_without_models() -> None:
    with ScriptedServer() as server, pytest.raises(ModelUnavailableError, match="answers 404"):
        choose_chat(settings_for(server.base_url.removesuffix("/v1") + "/v2"))


# ---------------------------------------------------------------- the scripted server itself


def test_embeds_alike_for_alike_texts() -> None:
    from openai import OpenAI

    texts = ["red lamp", "red lamp", "blue rope"]
    with ScriptedServer(dimensions=8) as server:
        client = OpenAI(base_url=server.base_url, api_key="x", max_retries=0)
        packed = client.embeddings.create(
            model="e", input=texts
        )  # the client asks for base64 unless told
        plain = client.embeddings.create(model="e", input=texts, encoding_format="float")
    one, same, other = [entry.embedding for entry in plain.data]
    assert one == hash_vector("red lamp", 8) == same != other and sum(
        x * x for x in one
    ) == pytest.approx(1.0)
    assert (
        packed.data[2].embedding == pytest.approx(other, abs=1e-6) and server.embedded == texts * 2
    )


def test_calls_tools_natively_and_in_a_stream() -> None:
    from openai import OpenAI

    call = CallTool("portrait", {"user_id": "u1"})
    with ScriptedServer([call, call]) as server:
        client = OpenAI(base_url=server.base_url, api_key="x", max_retries=0)
        whole = client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Who is u1?"}]
        )
        stream = client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Who is u1?"}], stream=True
        )
        deltas = [
            delta
            for chunk in stream
            for choice in chunk.choices
            if (delta := choice.delta.tool_calls)
        ]
    calls = whole.choices[0].message.tool_calls
    assert (
        calls is not None
        and calls[0].type == "function"
        and calls[0].function.arguments == '{"user_id": "u1"}'
    )
    assert whole.choices[0].finish_reason == "tool_calls"
    assert deltas[0][0].function is not None and deltas[0][0].function.name == "portrait"


def test_a_script_may_look_at_the_request() -> None:
    from openai import NotFoundError, OpenAI

    with ScriptedServer(
        otherwise=lambda seen: Failure(404) if "secret" in seen.text else ScriptedAnswer("fine")
    ) as server:
        client = OpenAI(base_url=server.base_url, api_key="x", max_retries=0)
        said = client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hello"}]
        )
        with pytest.raises(NotFoundError):
            client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "secret"}]
            )
    assert said.choices[0].message.content == "fine"
    assert [seen.text for seen in server.requests] == ["hello", "secret"]
