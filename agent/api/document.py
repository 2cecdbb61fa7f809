"""The OpenAPI document: FastAPI's own, with every error a problem document."""

from typing import Any

from fastapi import FastAPI

from agent.api.problems import Problem


class Described(FastAPI):
    """An application whose OpenAPI document holds the problem document that paths refer to."""

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            schemas = super().openapi().setdefault("components", {}).setdefault("schemas", {})
            schemas["Problem"] = Problem.model_json_schema()
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
        return super().openapi()
