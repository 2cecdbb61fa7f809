"""Embeddings over a real socket."""

import pytest

from limner.core.errors import ModelUnavailableError
from limner.core.settings import Settings
from limner.index.embedders import choose_embedder
from limner.testing import ScriptedServer


def test_an_endpoint_embeds_and_tells_its_size() -> None:
    with ScriptedServer(dimensions=16) as server:
        settings = Settings.model_validate(
            {"embed": {"choice": "openai", "model": "small"}, "llm": {"base_url": server.base_url}}
        )
        embedder = choose_embedder(settings, 10)
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
    with pytest.raises(ModelUnavailableError, match="OPENAI_BASE_URL"):
        choose_embedder(settings, 10).passages(["a"])
