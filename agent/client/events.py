"""Reading server-sent events line by line."""

from collections.abc import Iterator

from limner.chat.values import TextDelta
from limner.client.ask import Reply
from limner.client.errors import LimnerRefused, ServerProblem


class Events:
    """What the lines of a chat's stream say: text, and at the end the reply."""

    def __init__(self) -> None:
        self._name = ""

    def read(self, line: str) -> Iterator[str | Reply]:
        """Raises LimnerRefused where the answer failed after its begin."""
        if line.startswith("event: "):
            self._name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            data = line.removeprefix("data: ")
            if self._name == "text":
                yield TextDelta.model_validate_json(data).text
            elif self._name == "answer":
                yield Reply.model_validate_json(data)
            elif self._name == "problem":
                problem = ServerProblem.model_validate_json(data)
                raise LimnerRefused(
                    problem.status, problem.code, problem.detail, message=problem.message
                )
