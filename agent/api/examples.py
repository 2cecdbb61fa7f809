"""Examples of the OpenAPI document, of every model and every problem: `examples.yaml` beside this
file.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from importlib import resources

import yaml
from pydantic import Field, JsonValue

from limner.api.problems import Problem
from limner.core.messages import Message
from limner.core.schema import Value


class Shown(Value):
    """A problem, and the operations that can give it."""

    code: str
    status: int
    message: Message
    paths: list[str] = Field(default=["/v1/*"])
    """Patterns of paths, as `fnmatch` reads them."""
    methods: list[str] = Field(default=["get", "post", "patch", "delete"])

    def fits(self, path: str, method: str, status: int) -> bool:
        return (
            status == self.status
            and method in self.methods
            and any(fnmatchcase(path, pattern) for pattern in self.paths)
        )


class DocumentExamples(Value):
    """Examples of models and of problems for the OpenAPI document."""

    models: Mapping[str, JsonValue]
    """Examples by the model's name in the document."""
    problems: list[Shown]

    def of(self, path: str, method: str, status: int) -> Mapping[str, Problem]:
        """The problems of one status that an operation can answer with, by code."""
        problems: dict[str, Problem] = {}
        for shown in self.problems:
            if shown.fits(path, method, status):
                problems.setdefault(shown.code, Problem.of(shown.status, shown.code, shown.message))
        return problems


def read_examples() -> DocumentExamples:
    text = resources.files("limner.api").joinpath("examples.yaml").read_text(encoding="utf-8")
    return DocumentExamples.model_validate(yaml.safe_load(text))
