"""Errors as problem documents (RFC 9457), each with a stable code."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import iter_route_contexts
from pydantic import Field
from starlette.exceptions import HTTPException

from limner.api.access import Refused
from limner.api.languages import language_of
from limner.core.errors import (
    LimnerError,
    ModelError,
    NotAllowedError,
    StoreBusyError,
    StoreFullError,
    UnknownIdError,
    UsageError,
)
from limner.core.messages import SOURCE, Message, message, plain, rejection, say
from limner.core.schema import Value

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = "1"

# Status: title, what it means for the caller.
MEANINGS: dict[int, tuple[str, str]] = {
    400: (
        "Bad request",
        "The request cannot be read: broken JSON, or another end user than the key may ask about.",
    ),
    401: (
        "No valid key",
        "The request carries no API key, or one that is not known or was revoked.",
    ),
    403: (
        "Not allowed",
        (
            "The key is not allowed to do this: its scope is too small, or it is bound to "
            "another user."
        ),
    ),
    404: ("Not found", "There is no such user, item, version or conversation."),
    405: ("Wrong method", "The path is not served with this method; `Allow` names those that are."),
    408: ("Too slow a body", "The body did not arrive in the time that a client may take."),
    409: ("Conflict", "What the request asks contradicts what is stored."),
    413: ("Too large", "The body is larger than the server takes."),
    415: ("Wrong media type", "The body is not JSON."),
    422: ("Wrong request", "A parameter or a field is missing, out of range, or cannot be used."),
    429: (
        "Too many requests",
        "The key's rate limit is reached; `Retry-After` says when to come back.",
    ),
    500: (
        "Something went wrong",
        "The server made a mistake; the log names the request by its id.",
    ),
    502: ("The model failed", "The language model did not give a usable answer."),
    503: (
        "Not available",
        "The store is busy or out of reach, or the server is at its limit; ask again.",
    ),
    504: ("Too slow", "The answer was not ready in the time that a request may take."),
}


# Of problems that are known by their status alone.
CODES = {404: "unknown_path", 405: "wrong_method", 408: "slow_body", 413: "body_too_large"}


class Problem(Value):
    """A problem document (RFC 9457)."""

    type: str = Field("about:blank", description="Always about:blank; `code` tells problems apart.")
    title: str = Field(description="The kind of problem in a few words.", examples=["Not found"])
    status: int = Field(description="The HTTP status.", examples=[404])
    detail: str = Field(
        description="What is wrong and what to do about it, in a sentence; in the language that "
        "the request accepts, if there are words for it.",
        examples=["There is no user '197' in the store; ids are used exactly as in the data."],
    )
    code: str = Field(
        description="A stable code of the kind of problem, for programs.", examples=["unknown_id"]
    )
    message: Message = Field(
        description="What `detail` says, as a code with arguments, for programs; in English."
    )

    @classmethod
    def of(cls, status: int, code: str, why: Message, language: str = SOURCE) -> "Problem":
        """language: of `detail`; English where the catalogue has no words of it."""
        return cls(
            title=MEANINGS[status][0],
            status=status,
            detail=say(why, language).text,
            code=code,
            message=why,
        )


class ProblemResponse(Response):
    media_type = MEDIA_TYPE


class BodyRefused(HTTPException):
    """A request that is refused while its body is read: the one error that FastAPI lets through
    there.
    """

    def __init__(self, status: int, why: Message) -> None:
        super().__init__(status, why.text)
        self.message = why


def problem(
    status: int,
    code: str,
    why: Message,
    language: str = SOURCE,
    *,
    headers: Mapping[str, str] | None = None,
) -> ProblemResponse:
    """The answer that says what is wrong, in a language."""
    document = Problem.of(status, code, why, language)
    spoken = {"Content-Language": say(why, language).language, "Vary": "Accept-Language"}
    return ProblemResponse(
        document.model_dump_json(), status_code=status, headers={**spoken, **(headers or {})}
    )


def document_of(error: LimnerError, language: str) -> Problem:
    """An error of ours as a document by itself, for answers that have begun."""
    return Problem.of(status_of(error), error.code, error.message, language)


# What FastAPI takes as `responses`.
Documented = dict[int | str, dict[str, Any]]


def problems(*statuses: int) -> Documented:
    """The problem documents that a path may answer with, for the OpenAPI document."""
    return {
        status: {"description": MEANINGS[status][1], "content": {MEDIA_TYPE: {"schema": _SCHEMA}}}
        for status in statuses
    }


_SCHEMA = {"$ref": "#/components/schemas/Problem"}


def status_of(error: LimnerError) -> int:
    if isinstance(error, UnknownIdError):
        return 404
    if isinstance(error, NotAllowedError):
        return 403
    if isinstance(error, UsageError):
        return 422
    if isinstance(error, ModelError):
        return 502
    return 503 if isinstance(error, StoreBusyError | StoreFullError) else 500


def told(error: LimnerError, language: str) -> ProblemResponse:
    """The problem document of an error of ours."""
    status = status_of(error)
    return problem(
        status,
        error.code,
        error.message,
        language,
        headers={"Retry-After": RETRY_SECONDS} if status == 503 else None,
    )


def _methods(app: FastAPI, path: str) -> list[str]:
    """All that a path is served with; what a router names is one route's."""
    found = (
        one.methods or () for one in iter_route_contexts(app.routes) if one.path_regex.match(path)
    )
    return sorted({method for methods in found for method in methods})


def answer_problems(app: FastAPI) -> None:
    """Have an application answer every error with a problem document, and describe it in the
    OpenAPI document.
    """

    @app.exception_handler(LimnerError)
    async def limner_problem(request: Request, error: LimnerError) -> ProblemResponse:
        return told(error, language_of(request.headers))

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> ProblemResponse:
        language = language_of(request.headers)
        return problem(error.status, error.code, error.message, language, headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def wrong_request(request: Request, error: RequestValidationError) -> ProblemResponse:
        language = language_of(request.headers)
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            why = message("input.no_json", error=first["ctx"]["error"])
            return problem(400, "invalid_json", why, language)
        where = ".".join(str(part) for part in first["loc"])
        why = message("input.wrong", where=where, why=rejection(first))
        return problem(422, "invalid_parameter", why, language)

    @app.exception_handler(HTTPException)
    async def http_problem(request: Request, error: HTTPException) -> ProblemResponse:
        code = CODES.get(error.status_code, "http_error")
        headers = dict(error.headers) if error.headers else {}
        if error.status_code == 405:
            headers["Allow"] = ", ".join(_methods(app, request.scope["path"]))
        why = error.message if isinstance(error, BodyRefused) else _http_message(error)
        return problem(error.status_code, code, why, language_of(request.headers), headers=headers)


def _http_message(error: HTTPException) -> Message:
    """What Starlette and FastAPI refuse by themselves."""
    if error.status_code == 404:
        return message("page.not_found")
    if error.status_code == 405:
        return message("page.wrong_method")
    return plain(str(error.detail))
