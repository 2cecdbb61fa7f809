"""What can go wrong between a client and its server.

::

    Exception
    ├── LimnerUnreachable   no answer: not there, too slow, hung up
    └── LimnerRefused       a problem document (RFC 9457)
"""

import httpx
from pydantic import BaseModel, ValidationError

from limner.core.messages import Message


class LimnerUnreachable(Exception):
    """The server did not answer."""


class ServerProblem(BaseModel):
    """A problem document, as far as a client reads it."""

    title: str = ""
    status: int = 0
    detail: str = ""
    code: str = ""
    message: Message | None = None


class LimnerRefused(Exception):
    """The server answered that it cannot or will not."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        retry_after: float | None = None,
        message: Message | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status, self.code, self.detail = status, code, detail
        self.message = message
        """What `detail` says, as a code with arguments; None of another server's answer."""
        self.retry_after = retry_after
        """Seconds after which it is worth asking again; None where the server names none."""


def refused(answer: httpx.Response) -> LimnerRefused:
    """The error for an answer that is no success, whether it comes from Limner or from a proxy
    before it.
    """
    try:
        problem = ServerProblem.model_validate_json(answer.content)
    except ValidationError:
        problem = ServerProblem(detail=answer.text[:200])
    after = answer.headers.get("retry-after", "")
    return LimnerRefused(
        answer.status_code,
        problem.code or "http_error",
        problem.detail or problem.title,
        float(after) if after.isdigit() else None,
        problem.message,
    )
