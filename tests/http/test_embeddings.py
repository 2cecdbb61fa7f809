"""Embeddings over a real socket."""

import pytest

from limner.core.errors import IndexMismatchError, ModelRefusedError, ModelUnavailableError
from limner.core.settings import Settings
from limner.index.embedders import choose_embedder
from limner.testing import ScriptedServer


def test_an_endpoint_embeds_and_tells_its_size() -> None:
    with ScriptedServer(dimensions=16) as server:
        settings = Settings.model_validate(
            {"embed": {"choice": "openai", "model": "small"}, "llm": {"base_url": server.base_url}}
        )
        embedder = choose_embedder(settings)
        assert embedder.name == "openai:small" and embedder.dimensions == 16
        assert embedder.passages(["a", "b"]).shape == (2, 16)
        assert server.embedded[-2:] == ["a", "b"]


def test_an_endpoint_that_is_down_says_so() -> None:
    settings = Settings.model_validate(
        {
            "embed": {"choice": "openai"},
            "llm": {"base_url": "http://127.0.0.1:9/v1", "retry_budget": 0.2, "backoff": 0.01},
        }
    )
    with pytest.raises(ModelUnavailableError, match="gives no answer"):
        choose_embedder(settings).passages(["a"])


def settings_of(server: ScriptedServer, **embed: object) -> Settings:
    return Settings.model_validate(
        {
            "embed": {"choice": "openai", "model": "small", **embed},
            "llm": {"base_url": server.base_url, "api_key": "chat", "retry_budget": 0.2},
        }
    )


def test_a_batch_steps_down_to_what_the_server_takes() -> None:
    texts = [f"text {at}" for at in range(25)]
    with ScriptedServer(batch=10) as server:
        embedder = choose_embedder(settings_of(server))
        assert embedder.passages(texts).shape == (25, 16) and server.embedded == texts
        embedder.passages(texts)
    with ScriptedServer(batch=10) as server:
        choose_embedder(settings_of(server, batch=4)).passages(texts)
        assert server.embedded == texts


def test_a_text_is_cut_to_what_the_model_reads() -> None:
    with ScriptedServer(longest=100) as server:
        embedder = choose_embedder(settings_of(server))
        assert embedder.passages(["short", "x" * 350, "y" * 90]).shape == (3, 16)
        assert [len(text) for text in server.embedded] == [5, 87, 87]


def test_an_endpoint_of_its_own_never_gets_the_key_of_the_chat() -> None:
    with ScriptedServer(api_key="chat") as chat, ScriptedServer(api_key="own") as own:
        with pytest.raises(ModelRefusedError, match="401"):
            choose_embedder(settings_of(chat, base_url=own.base_url)).passages(["a"])
        given = settings_of(chat, base_url=own.base_url, api_key="own")
        choose_embedder(given).passages(["a"])
        assert own.embedded == ["a"] and not chat.embedded


def test_other_dimensions_than_before_are_said() -> None:
    with ScriptedServer(dimensions=8) as server:
        embedder = choose_embedder(settings_of(server), "openai:small", 16)
        with pytest.raises(IndexMismatchError, match=r"8 dimensions now.*with 16"):
            embedder.queries(["a"])
