"""Parameters and answers that several paths share."""

from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import Path, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel

from limner.api.access import Caller
from limner.api.paths import Decoded
from limner.api.problems import Documented, problems

EVENTS = "text/event-stream"
UserId = Annotated[
    Decoded,
    Path(
        min_length=1,
        max_length=255,
        description="The user's id, exactly as in the data.",
        examples=["196"],
    ),
]
EventId = Annotated[
    Decoded,
    Path(
        min_length=1, max_length=1000, description="The event's id.", examples=["9f1c3a5be07d2468"]
    ),
]
ItemId = Annotated[
    Decoded,
    Path(
        min_length=1,
        max_length=255,
        description="The item's id, exactly as in the data.",
        examples=["50"],
    ),
]
_ANY = (401, 403, 429, 500, 503, 504)
_BODIES = (400, 408, 413)


def bound_to(request: Request) -> str | None:
    """The only end user whose data the request's key may read; None for all users."""
    caller: Caller = request.state.caller
    return caller.user_id


def usual(*more: int, body: bool = False, plain: bool = False) -> Documented:
    """The problems that a path documents: those of every path, those of a path with a body, and
    `more`. `plain`: the path takes no parameters, so that none can be wrong.
    """
    return problems(*sorted({*_ANY, *(() if plain else (422,)), *(_BODIES if body else ()), *more}))


def told(value: BaseModel, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A value as JSON by its own serializer: it was validated when it was made, and is not
    validated again.
    """
    return Response(value.model_dump_json(), status, headers, media_type="application/json")


def streamed(events: AsyncGenerator[str, None]) -> StreamingResponse:
    """Server-sent events, which no proxy is to gather up."""
    return StreamingResponse(events, media_type=EVENTS, headers={"X-Accel-Buffering": "no"})
