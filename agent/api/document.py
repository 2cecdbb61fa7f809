"""The OpenAPI document: FastAPI's own, with each error a problem document, and with examples.

Models and fields are described by their docstrings (`use_attribute_docstrings`).
"""

from typing import Any

from fastapi import FastAPI

from limner.api.examples import DocumentExamples, read_examples
from limner.api.problems import MEDIA_TYPE, Problem


class Described(FastAPI):
    """An application whose OpenAPI document holds the problem document that paths refer to."""

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            document = super().openapi()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= problem.pop("$defs")
            schemas["Problem"] = problem
            schemas.get("JsonValue", {})["description"] = "Any JSON."
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            _show(document, read_examples())
        return super().openapi()


def _show(document: dict[str, Any], examples: DocumentExamples) -> None:
    """An example of each model, and of each problem where it can be the answer."""
    for name, schema in document["components"]["schemas"].items():
        if name in examples.models:
            schema["examples"] = [examples.models[name]]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                content = answer.get("content", {}).get(MEDIA_TYPE)
                if content is not None:
                    problems = examples.of(path, method, int(status))
                    content["examples"] = {
                        code: {"value": problem.model_dump()} for code, problem in problems.items()
                    }
