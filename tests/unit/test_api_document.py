"""The OpenAPI document: nothing in it is without a description, and its examples are true."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from agent.api import create_app
from agent.api.document import models_under
from agent.api.problems import MEANINGS
from agent.api.words import EXAMPLES, FIELDS, SCHEMAS
from tests.http.live import small_engine

PATHS = {
    "/v1/users": "get post", "/v1/items": "get post", "/v1/events": "get post", "/v1/users/{user_id}": "get delete",
    "/v1/users/{user_id}/export": "get", "/v1/users/{user_id}/profile": "get patch",
    "/v1/users/{user_id}/profile/build": "post", "/v1/users/{user_id}/profile/versions": "get",
    "/v1/users/{user_id}/profile/diff": "get", "/v1/users/{user_id}/context": "get",
    "/v1/users/{user_id}/recommendations": "get", "/v1/users/{user_id}/rank": "post",
    "/v1/users/{user_id}/feedback": "post", "/v1/recommendations": "get", "/v1/recommendations/stats": "get",
    "/v1/items/{item_id}": "get patch", "/v1/items/{item_id}/neighbors": "get", "/v1/popular": "get",
    "/v1/chat": "post", "/v1/chat/completions": "post", "/v1/models": "get",
}  # fmt: skip


@pytest.fixture
def document(tmp_path: Path) -> dict[str, Any]:
    engine = small_engine(tmp_path)
    found = create_app(engine).openapi()
    engine.store.close()
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(path, one) for path, methods in document["paths"].items() for one in methods.values()]


def test_every_path_is_there(document: dict[str, Any]) -> None:
    found = {path: " ".join(methods) for path, methods in document["paths"].items() if path.startswith("/v1")}
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
    assert [path for path, one in operations(document) if not (one.get("summary") and one.get("description"))] == []


def test_every_body_has_an_example_and_every_error_is_a_problem_document(document: dict[str, Any]) -> None:
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


def test_examples_are_what_the_models_take(document: dict[str, Any]) -> None:
    models: dict[str, type[BaseModel]] = {one.__name__: one for one in models_under(BaseModel)}
    for name, example in EXAMPLES.items():
        models[name].model_validate(example)
    assert EXAMPLES.keys() | SCHEMAS.keys() <= document["components"]["schemas"].keys()


def test_no_words_are_kept_in_vain(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"].values()
    assert FIELDS.keys() <= {field for schema in schemas for field in schema.get("properties", {})}
