"""The application: routers, health, and how it is served."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict

from agent.api.document import Described
from agent.api.pool import Pool
from agent.api.problems import answer_problems, problems
from agent.api.routes import routers
from agent.engine import Engine
from agent.errors import LimnerError


class Health(BaseModel):
    model_config = ConfigDict(frozen=True)

    status: str
    events: int | None = None


def create_app(engine: Engine) -> FastAPI:
    """The application over an engine that the caller opened; the application closes it when it stops."""

    pool = Pool()

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        await pool.close()
        await engine.close()

    app = Described(
        title="Limner",
        version="1",
        description="Portraits of users in which every claim points at events, and recommendations that say why.",
        lifespan=life,
    )

    for routes in routers(engine, pool):
        app.include_router(routes)
    answer_problems(app)

    @app.get("/health/live", tags=["health"])
    async def live() -> Health:
        """The process answers."""
        return Health(status="ok")

    @app.get("/health/ready", responses=problems(503), tags=["health"])
    def ready() -> Health:
        """The store answers."""
        return Health(status="ok", events=engine.store.counts().events)

    return app


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
