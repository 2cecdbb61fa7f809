"""The OpenAPI document: nothing in it is without a description, and its examples are true."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, JsonValue, TypeAdapter

from limner.api.examples import read_examples
from limner.api.problems import MEANINGS, Problem
from limner.server import create_app
from tests.http.live import small_engine

PATHS = {
    "/v1/users": "get post",
    "/v1/items": "get post",
    "/v1/events": "get post",
    "/v1/events/{event_id}": "delete patch",
    "/v1/users/{user_id}": "get delete",
    "/v1/users/{user_id}/export": "get",
    "/v1/users/{user_id}/profile": "get patch",
    "/v1/users/{user_id}/profile/build": "post",
    "/v1/users/{user_id}/profile/versions": "get",
    "/v1/users/{user_id}/profile/diff": "get",
    "/v1/users/{user_id}/context": "get",
    "/v1/users/{user_id}/recommendations": "get",
    "/v1/users/{user_id}/rank": "post",
    "/v1/users/{user_id}/feedback": "post",
    "/v1/recommendations": "get",
    "/v1/recommendations/stats": "get",
    "/v1/items/{item_id}": "get patch",
    "/v1/items/{item_id}/neighbors": "get",
    "/v1/popular": "get",
    "/v1/training": "get",
    "/v1/chat": "post",
    "/v1/chat/completions": "post",
    "/v1/models": "get",
}


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    engine = small_engine(tmp_path_factory.mktemp("document"))
    found = create_app(engine).openapi()
    engine.store.close()
    return found


def models_under(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The models that the API may answer with or take; those of `evals` and `tools` are not."""
    for model in base.__subclasses__():
        own = model.__module__.startswith("limner.")
        if own and not model.__module__.startswith(("limner.evals", "limner.tools")):
            yield model
        yield from models_under(model)


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(path, one) for path, methods in document["paths"].items() for one in methods.values()]


def test_every_path_is_there(document: dict[str, Any]) -> None:
    found = {
        path: " ".join(methods)
        for path, methods in document["paths"].items()
        if path.startswith("/v1")
    }
    assert {path: set(methods.split()) for path, methods in found.items()} == {
        path: set(methods.split()) for path, methods in PATHS.items()
    }


def test_every_model_field_and_parameter_is_described(document: dict[str, Any]) -> None:
    missing = [
        (name, field)
        for name, schema in document["components"]["schemas"].items()
        for field, about in {"": schema, **schema.get("properties", {})}.items()
        if not about.get("description")
    ]
    missing += [
        (path, one["name"])
        for path, operation in operations(document)
        for one in operation.get("parameters", [])
        if not one.get("description")
    ]
    assert missing == []
    assert [
        path
        for path, one in operations(document)
        if not (one.get("summary") and one.get("description"))
    ] == []


def test_every_body_has_an_example_and_every_error_is_a_problem_document(
    document: dict[str, Any],
) -> None:
    schemas = document["components"]["schemas"]
    for path, operation in operations(document):
        if "requestBody" in operation:
            body = operation["requestBody"]["content"]["application/json"]
            schema = body["schema"]
            [named] = [one["$ref"] for one in [schema, *schema.get("anyOf", [])] if "$ref" in one]
            assert "example" in body or schemas[named.rsplit("/", 1)[1]].get("examples"), path
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                assert int(status) in MEANINGS
                assert answer["content"]["application/problem+json"]["schema"] == {
                    "$ref": "#/components/schemas/Problem"
                }


def test_nothing_refers_to_what_is_not_there(document: dict[str, Any]) -> None:
    text = str(document)
    assert "HTTPValidationError" not in text
    named = {part.split("'")[0] for part in text.split("#/components/schemas/")[1:]}
    assert named <= document["components"]["schemas"].keys()


def test_every_model_has_an_example_that_it_takes(document: dict[str, Any]) -> None:
    models = {re.sub(r"\W", "_", one.__name__): one for one in models_under(BaseModel)}
    takes = {name: TypeAdapter[object](model) for name, model in models.items()} | {
        "JsonValue": TypeAdapter(JsonValue)
    }
    schemas = document["components"]["schemas"]
    assert [name for name, schema in schemas.items() if not schema.get("examples")] == []
    for name, schema in schemas.items():
        for example in schema["examples"]:
            takes[name].validate_json(json.dumps(example), strict=True)
    assert read_examples().models.keys() <= schemas.keys()


def test_what_is_answered_is_shown_whole(document: dict[str, Any]) -> None:
    """Every field stands in the example of a model that no body holds."""
    schemas = document["components"]["schemas"]
    bodies = {
        name
        for _, one in operations(document)
        for name in named_in(one.get("requestBody", {}), schemas)
    }
    missing = {
        name: sorted(schema["properties"].keys() - schema["examples"][0].keys())
        for name, schema in schemas.items()
        if "properties" in schema and name not in bodies
    }
    assert {name: fields for name, fields in missing.items() if fields} == {}


def named_in(part: object, schemas: dict[str, Any]) -> set[str]:
    """The models that a part of the document refers to, by whatever way."""
    found: set[str] = set()
    wanted = set(re.findall(r"#/components/schemas/(\w+)", str(part)))
    while wanted - found:
        found |= wanted
        wanted = set(
            re.findall(r"#/components/schemas/(\w+)", str([schemas[name] for name in found]))
        )
    return found


def test_every_error_has_examples_whose_status_and_code_fit(document: dict[str, Any]) -> None:
    codes: dict[str, set[int]] = {}
    for path, operation in operations(document):
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                shown = answer["content"]["application/problem+json"]["examples"]
                assert shown, (path, status)
                for code, example in shown.items():
                    problem = Problem.model_validate(example["value"])
                    assert (problem.status, problem.code) == (int(status), code)
                    assert problem.title == MEANINGS[int(status)][0]
                    codes.setdefault(code, set()).add(int(status))
    assert [code for code, statuses in codes.items() if len(statuses) > 1] == []
    assert codes.keys() == {one.code for one in read_examples().problems}  # none is kept in vain
    text = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    assert [code for code in codes if f"`{code}`" not in text] == []


@pytest.mark.parametrize(
    ("path", "method", "status", "expected"),
    [
        ("/v1/models", "get", "403", "wrong_host"),
        ("/v1/recommendations", "get", "404", "unknown_id"),
        ("/v1/items", "get", "403", "wrong_host"),
        ("/v1/items", "post", "403", "scope other_user wrong_host cross_origin"),
        ("/v1/users/{user_id}/rank", "post", "403", "other_user wrong_host cross_origin"),
        ("/v1/users/{user_id}/export", "get", "403", "scope other_user wrong_host"),
        ("/v1/chat", "post", "422", "invalid_parameter bad_input"),
        ("/v1/chat", "post", "502", "model_unavailable"),
        ("/health/ready", "get", "503", "not_ready"),
    ],
)
def test_an_error_is_shown_where_it_can_be(
    document: dict[str, Any], path: str, method: str, status: str, expected: str
) -> None:
    answer = document["paths"][path][method]["responses"][status]
    assert set(answer["content"]["application/problem+json"]["examples"]) == set(expected.split())
