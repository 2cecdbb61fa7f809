"""The OpenAPI document: FastAPI's own, with each error a problem document, each field described,
and examples.
"""

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from limner.api.examples import DocumentExamples, read_examples
from limner.api.problems import MEDIA_TYPE, Problem
from limner.api.words import FIELDS, SCHEMAS


class Described(FastAPI):
    """An application whose OpenAPI document holds the problem document that paths refer to."""

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            found = super().openapi()
            schemas = found.setdefault("components", {}).setdefault("schemas", {})
            schemas["Problem"] = Problem.model_json_schema()
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            _describe(schemas)
            _show(found, read_examples())
        return super().openapi()


def _describe(schemas: dict[str, dict[str, Any]]) -> None:
    """Fill in what is missing: from the docstrings of a class and under its fields, else from the
    words kept here.
    """
    by_name = {one.__name__: one for one in models_under(BaseModel)}
    known: dict[str, Mapping[str, Mapping[str, str]]] = {}
    for name, schema in schemas.items():
        model = by_name.get(name.split("_")[0] if name not in by_name else name)
        said = _docstrings(model, known) if model is not None else {}
        # A description that only quotes pydantic's own base class says nothing.
        own = (
            schema.get("description")
            or SCHEMAS.get(name)
            or (inspect.cleandoc(model.__doc__ or "") if model else "")
        )
        schema["description"] = own
        for field, about in schema.get("properties", {}).items():
            if not about.get("description") and (words := said.get(field) or FIELDS.get(field)):
                about["description"] = words


def _show(document: dict[str, Any], examples: DocumentExamples) -> None:
    """An example of each model, and of each problem where it can be the answer."""
    for name, schema in document["components"]["schemas"].items():
        if name in examples.models:
            schema["examples"] = [examples.models[name]]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                if (told := answer.get("content", {}).get(MEDIA_TYPE)) is not None:
                    shown = examples.of(path, method, int(status))
                    told["examples"] = {
                        code: {"value": one.model_dump()} for code, one in shown.items()
                    }


def _is_ours(model: type[object]) -> bool:
    return model.__module__.startswith("limner.") and not model.__module__.startswith(
        ("limner.evals", "limner.tools")
    )


def models_under(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for one in base.__subclasses__():
        if _is_ours(one):
            yield one
        yield from models_under(one)


def _docstrings(
    model: type[BaseModel], known: dict[str, Mapping[str, Mapping[str, str]]]
) -> dict[str, str]:
    """The text under each field of a class and of those that it derives from."""
    found: dict[str, str] = {}
    for one in reversed(model.__mro__):
        if _is_ours(one):
            if one.__module__ not in known:
                known[one.__module__] = _of_module(inspect.getsource(sys.modules[one.__module__]))
            found |= known[one.__module__].get(one.__name__.split("[")[0], {})
    return found


def _of_module(source: str) -> Mapping[str, Mapping[str, str]]:
    """By class and field, the text that stands under the field."""
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            fields = found.setdefault(node.name, {})
            for field, text in zip(node.body, node.body[1:], strict=False):
                if (
                    isinstance(field, ast.AnnAssign)
                    and isinstance(field.target, ast.Name)
                    and isinstance(text, ast.Expr)
                    and isinstance(text.value, ast.Constant)
                ):
                    fields[field.target.id] = inspect.cleandoc(str(text.value.value))
    return found
