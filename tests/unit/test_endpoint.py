"""Addresses and keys of models as people paste them."""

import pytest

from limner.core.errors import ModelRefusedError, SettingsError
from limner.llm.endpoint import ModelEndpoint


@pytest.mark.parametrize(
    ("address", "url", "query"),
    [
        ("", "https://api.openai.com/v1", {}),
        (" http://127.0.0.1:8/v1/\n", "http://127.0.0.1:8/v1", {}),
        ("\ufeffhttps://h.example/v1/chat/completions", "https://h.example/v1", {}),
        ("https://h.example/v1/embeddings/?a=b", "https://h.example/v1", {"a": "b"}),
        (
            "https://h.example/openai/deployments/g-4/chat/completions?api-version=2024-06-01",
            "https://h.example/openai/deployments/g-4",
            {"api-version": "2024-06-01"},
        ),
    ],
)
def test_addresses_are_read_as_they_are_pasted(
    address: str, url: str, query: dict[str, str]
) -> None:
    endpoint = ModelEndpoint.parse(address, " sk-1\r\n")
    assert (endpoint.url, endpoint.query, endpoint.api_key) == (url, query, "sk-1")
    assert "sk-1" not in repr(endpoint)


@pytest.mark.parametrize("address", ["localhost:8000/v1", "ftp://h/v1", "//h/v1", "h.example"])
def test_what_is_no_address_is_said(address: str) -> None:
    with pytest.raises(SettingsError, match="is not an address"):
        ModelEndpoint.parse(address)


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("http://localhost:1/v1", True),
        ("http://model.localhost/v1", True),
        ("http://127.9.9.9/v1", True),
        ("http://[::1]:8/v1", True),
        ("http://0.0.0.0:8/v1", True),
        ("http://10.0.0.1/v1", False),
        ("https://localhost.example/v1", False),
    ],
)
def test_what_is_on_this_machine(address: str, local: bool) -> None:
    assert ModelEndpoint.parse(address).is_local is local


def test_the_deployment_of_an_address_names_the_model() -> None:
    assert ModelEndpoint.parse("https://h/openai/deployments/g%204?x=1").deployment == "g 4"
    assert ModelEndpoint.parse("https://h/v1").deployment == ""


@pytest.mark.parametrize(
    ("proxy", "said"), [("socks5://127.0.0.1:9", "socksio"), ("gopher://127.0.0.1:9", "proxy")]
)
def test_a_proxy_that_cannot_be_used_is_said_and_never_stands_before_this_machine(
    monkeypatch: pytest.MonkeyPatch, proxy: str, said: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    for make in ("client", "async_client"):
        with pytest.raises(ModelRefusedError, match=said):
            getattr(ModelEndpoint.parse("http://10.0.0.1/v1"), make)(1.0)
        assert getattr(ModelEndpoint.parse("http://127.0.0.1/v1"), make)(1.0)
