"""FastAPI application: portraits, recommendations, health. Errors are RFC 9457 problem documents."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

from agent.engine import Engine
from agent.errors import LimnerError, StoreBusyError, UnknownIdError, UsageError
from agent.schema import Profile, Recommendations


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    model_config = ConfigDict(frozen=True)

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    """Stable, for programs."""


class Health(BaseModel):
    model_config = ConfigDict(frozen=True)

    status: str
    events: int | None = None


class ProblemResponse(JSONResponse):
    media_type = "application/problem+json"


UserId = Annotated[str, Path(description="The user's id, exactly as in the data.", examples=["196"])]
PROBLEMS: dict[int | str, dict[str, object]] = {
    404: {"model": Problem, "description": "No such user or version."},
    422: {"model": Problem, "description": "A parameter is out of range."},
    503: {"model": Problem, "description": "The store is busy or out of reach."},
}


def create_app(engine: Engine) -> FastAPI:
    """The application over an engine that the caller opened; the application closes it when it stops."""

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        await engine.close()

    app = FastAPI(
        title="Limner",
        version="1",
        description="Portraits of users in which every claim points at events, and recommendations that say why.",
        lifespan=life,
    )

    @app.get("/v1/users/{user_id}/profile", responses=PROBLEMS, tags=["portraits"])
    async def get_profile(
        user_id: UserId,
        version: Annotated[int | None, Query(ge=1, description="A stored version; the newest if left out.")] = None,
    ) -> Profile:
        """The portrait of a user; built first where there is none."""
        return await engine.profile(user_id, version)

    @app.get("/v1/users/{user_id}/recommendations", responses=PROBLEMS, tags=["recommendations"])
    async def get_recommendations(
        user_id: UserId,
        n: Annotated[int, Query(ge=1, le=100, description="How many items.")] = 10,
        explain: Annotated[bool, Query(description="With a verified reason for every item.")] = True,
    ) -> Recommendations:
        """Items for a user, best first, never one the user has had."""
        [result] = await engine.recommend([user_id], n, explain=explain)
        return result

    @app.get("/health/live", tags=["health"])
    async def live() -> Health:
        """The process answers."""
        return Health(status="ok")

    @app.get("/health/ready", responses={503: PROBLEMS[503]}, tags=["health"])
    def ready() -> Health:
        """The store answers."""
        return Health(status="ok", events=engine.store.counts().events)

    @app.exception_handler(LimnerError)
    async def limner_problem(_: Request, error: LimnerError) -> ProblemResponse:
        return _problem(_status(error), error.code, str(error))

    @app.exception_handler(RequestValidationError)
    async def wrong_parameter(_: Request, error: RequestValidationError) -> ProblemResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return _problem(422, "invalid_parameter", f"{where}: {first['msg']}")

    return app


def _status(error: LimnerError) -> int:
    if isinstance(error, UnknownIdError):
        return 404
    if isinstance(error, UsageError):
        return 422
    return 503 if isinstance(error, StoreBusyError) else 500


def _problem(status: int, code: str, detail: str) -> ProblemResponse:
    title = {404: "Not found", 422: "Wrong request", 503: "Not available"}.get(status, "Something went wrong")
    problem = Problem(title=title, status=status, detail=detail, code=code)
    return ProblemResponse(problem.model_dump(), status_code=status)


def listen(host: str, port: int) -> socket.socket:
    """A socket to serve at; port 0 takes a free one. Raises LimnerError where it cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        held = socket.socket(family, kind, protocol)
    except OSError as error:
        raise LimnerError(
            f"There is no address '{host}' on this machine ({error.strerror}); name another --host."
        ) from error
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(address)
    except OSError as error:
        held.close()
        raise LimnerError(
            f"Nothing can listen at {host}:{port} ({error.strerror}); name another --port or --host."
        ) from error
    return held


def serve(engine: Engine, at: socket.socket) -> None:
    """Run until interrupted; running answers are finished first."""
    import uvicorn

    uvicorn.Server(uvicorn.Config(create_app(engine), log_level="warning")).run(sockets=[at])
