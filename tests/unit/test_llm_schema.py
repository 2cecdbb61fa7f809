"""Strict schemas, answers in words around the JSON, and the choice between models."""

import sys
from typing import Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from limner.core.errors import SettingsError
from limner.core.settings import LlmSettings, load_settings
from limner.llm import choose, choose_chat, parse, strict_schema, which
from limner.llm.base import schema_in_words


class Cat(BaseModel):
    kind: Literal["cat"]
    title: str = Field(default="", max_length=9, description="What it is called")


class Dog(BaseModel):
    kind: Literal["dog"]
    age: int = Field(ge=0, le=30)


class Home(BaseModel):
    pet: Cat | Dog = Field(discriminator="kind")
    others: list[Cat] = []
    note: str | None = None


def test_every_object_is_closed_and_everything_required() -> None:
    schema = strict_schema(Home)
    assert (
        schema["required"] == ["pet", "others", "note"] and schema["additionalProperties"] is False
    )
    definitions = schema["$defs"]
    assert isinstance(definitions, dict)
    assert definitions["Cat"]["required"] == ["kind", "title"]
    assert definitions["Cat"]["additionalProperties"] is False
    assert definitions["Cat"]["properties"]["title"] == {
        "type": "string",
        "description": "What it is called",
    }
    assert definitions["Dog"]["properties"]["age"] == {
        "type": "integer",
        "minimum": 0,
        "maximum": 30,
    }


def test_alternatives_are_any_of_and_a_property_may_be_called_title() -> None:
    schema = strict_schema(Home)
    properties, definitions = schema["properties"], schema["$defs"]
    assert isinstance(properties, dict) and isinstance(definitions, dict)
    assert [option["$ref"] for option in properties["pet"]["anyOf"]] == [
        "#/$defs/Cat",
        "#/$defs/Dog",
    ]
    assert "discriminator" not in properties["pet"] and "oneOf" not in properties["pet"]
    assert "default" not in properties["others"]
    assert "title" in definitions["Cat"]["properties"]


def test_free_mappings_cannot_be_asked_for() -> None:
    class Free(BaseModel):
        counts: dict[str, int]

    with pytest.raises(TypeError, match="list of pairs"):
        strict_schema(Free)


@pytest.mark.parametrize(
    "text",
    [
        '{"kind": "dog", "age": 3}',
        '```json\n{"kind": "dog", "age": 3}\n```',
        'Here you are: {"kind": "dog", "age": 3} I hope it helps.',
    ],
)
def test_json_is_found_inside_an_answer(text: str) -> None:
    assert parse(text, Dog) == Dog(kind="dog", age=3)


@pytest.mark.parametrize(
    "text", ["", "no", "{", '{"kind": "dog"}', '{"kind": "dog", "age": 31}', "}{"]
)
def test_anything_else_is_an_error(text: str) -> None:
    with pytest.raises(ValidationError):
        parse(text, Dog)


def test_the_schema_in_words_is_one_line() -> None:
    assert schema_in_words(Dog).splitlines()[1].startswith('{"properties":{"kind"')


# ---------------------------------------------------------------- auto


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setattr(choose, "runtime_installed", lambda: request.param)


@pytest.mark.parametrize("installed", [True], indirect=True)
@pytest.mark.parametrize(
    ("llm", "wanted"),
    [
        (LlmSettings(), "local"),
        (LlmSettings(api_key="k"), "openai"),
        (LlmSettings(base_url="http://127.0.0.1:1/v1"), "openai"),
        (LlmSettings(choice="local", api_key="k"), "local"),
        (LlmSettings(choice="none", api_key="k"), "none"),
    ],
)
def test_auto_takes_an_endpoint_then_the_embedded_model(
    installed: None, llm: LlmSettings, wanted: str
) -> None:
    assert which(llm) == wanted


@pytest.mark.parametrize("installed", [False], indirect=True)
@pytest.mark.parametrize("choice", ["auto", "local"])
def test_without_any_model_it_says_what_to_install(
    installed: None, choice: Literal["auto", "local"]
) -> None:
    with pytest.raises(SettingsError, match=r"pip install 'limner\[local\]'") as caught:
        which(LlmSettings(choice=choice))
    assert "LIMNER_LLM=none" in str(caught.value)


def test_openai_without_a_key_says_so() -> None:
    with pytest.raises(SettingsError, match="OPENAI_API_KEY"):
        choose_chat(load_settings({"LIMNER_LLM": "openai"}))


def test_none_is_no_model() -> None:
    assert choose_chat(load_settings({"LIMNER_LLM": "none"})) is None


def test_openai_is_asked_for_its_small_model_without_a_look_at_the_network() -> None:
    chosen = choose_chat(load_settings({"OPENAI_API_KEY": "sk-secret"}))
    assert chosen is not None and chosen.name == "gpt-4o-mini" and chosen.hosted
    assert "sk-secret" not in repr(chosen)


def test_an_address_that_is_none() -> None:
    with pytest.raises(SettingsError, match="OPENAI_BASE_URL is not an address"):
        choose_chat(load_settings({"OPENAI_BASE_URL": "not an address"}))


def test_importing_costs_no_heavy_module() -> None:
    import subprocess

    heavy = "openai", "tenacity", "xllamacpp", "filelock", "httpx2", "tiktoken"
    script = f"import sys, limner.llm; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
