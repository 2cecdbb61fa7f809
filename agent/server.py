"""The server: the REST API and the page as one application, the socket, the processes, the log, and
how it all ends.

One process opens the store and serves. With more, each opens the same store, and all take
connections from one socket; a write waits until no other process writes (`Store.writing`), reads
never wait.
"""

import asyncio
import gc
import json
import logging
import os
import socket
import sys
import tempfile
import time
from asyncio import AbstractEventLoop, TimerHandle, Transport
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState
from uvicorn.supervisors import Multiprocess

from limner import web
from limner.api import docs, health
from limner.api.access import Access
from limner.api.background import Embedding
from limner.api.document import Described
from limner.api.metrics import Metrics
from limner.api.middleware import AccessMiddleware, Places, described
from limner.api.paths import Segments
from limner.api.pool import Pool
from limner.api.problems import answer_problems
from limner.api.routes import routers
from limner.core.errors import LimnerError, UsageError
from limner.core.messages import message
from limner.core.settings import ServerSettings, Settings, debugging
from limner.engine import Engine, open_engine
from limner.recommend.training import PATIENCE
from limner.store import open_store
from limner.store.api_keys import KeyRing, live_keys

_WARM = 10.0
"""Seconds for which a process may read what its answers need before it takes requests; it reads on
beside them.
"""
_SWITCH = 0.001
"""Seconds that a thread may compute before others get their turn; Python's 5 ms would add up for
the serving loop.
"""

_GARBAGE = (20_000, 3, 1_000)
"""Thresholds of Python's collector of cycles. What is kept between requests grows to half a million
objects without a cycle; by its own thresholds it would look through them all at every thousandth
request, for a quarter of a second.
"""

_SILENT = 60
"""Seconds for which a process may leave its supervisor without an answer before it is replaced: it
may be loading.
"""

log = logging.getLogger("limner")


@dataclass(frozen=True)
class Exposure:
    """Who can reach a server, and whether they need a key."""

    keys: bool
    """Whether a request needs a key when the server starts; from the first key on it does."""
    loopback: bool
    locked: bool = False
    """Whether every key was revoked."""

    @property
    def words(self) -> str:
        if self.locked:
            return "Every key was revoked, so nobody is let in; make one with `limner keys create`."
        if self.keys:
            return "Every request needs a key."
        return "No keys are asked for: there are none, and only this machine can reach the server."


def exposure(settings: Settings, at: socket.socket) -> Exposure:
    """Raises UsageError where there is no store, or others could reach it without a key."""
    loopback = ip_address(at.getsockname()[0]).is_loopback
    store = open_store(settings.data, create=False, folder=settings.folder)
    try:
        live, keyed = bool(live_keys(store)), store.is_keyed()
    finally:
        store.close()
    if not live and not loopback:
        raise UsageError("server.exposed")
    return Exposure(keyed, loopback, locked=keyed and not live)


def listen(host: str, port: int) -> socket.socket:
    """A socket to serve at; port 0 takes a free one. Raises LimnerError where it cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise LimnerError("server.no_address", host=host, error=error.strerror) from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise LimnerError("server.no_port", host=host, port=port, error=error.strerror) from error
    return bound


def serve(
    settings: Settings,
    listening: socket.socket,
    exposed: Exposure,
    *,
    workers: int = 1,
    quiet: bool = False,
) -> None:
    """Run until interrupted; running answers are finished first, within `server.grace` seconds.

    workers: processes that serve side by side. quiet: log nothing but warnings.
    """
    with tempfile.TemporaryDirectory(prefix="limner-metrics-") as folder:
        shared = folder if workers > 1 else None
        make = partial(_application, settings, exposed, workers, shared)
        config = configured(make, settings.server, workers=workers, quiet=quiet)
        listening.listen(
            config.backlog
        )  # who comes while the store is being opened waits, and is not turned away
        if shared is None:
            uvicorn.Server(config).run(sockets=[listening])
        else:
            # Read by prometheus_client where a process first imports it: those that are started
            # from here on.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = shared
            Multiprocess(config, sockets=[listening]).run()


def configured(
    make: Callable[[], FastAPI], settings: ServerSettings, *, workers: int = 1, quiet: bool = False
) -> uvicorn.Config:
    """How uvicorn is to run what `make` makes in each process."""
    connection = partial(_Patient, seconds=settings.client_seconds)
    return uvicorn.Config(
        make,
        factory=True,
        workers=workers,
        interface="asgi3",
        http=connection,  # type: ignore[arg-type]
        ws="none",
        server_header=False,
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=settings.proxies,
        log_config=_logging(quiet),
        access_log=False,
        timeout_graceful_shutdown=settings.grace,
        timeout_worker_healthcheck=_SILENT,
    )


def _application(
    settings: Settings, exposed: Exposure, processes: int, shared: str | None
) -> FastAPI:
    """What one process serves, over an engine of its own."""
    sys.setswitchinterval(_SWITCH)
    metrics = Metrics(shared)
    engine = open_engine(settings, progress=_Logged(), watch=metrics)
    one_thread_a_product()
    gc.set_threshold(*_GARBAGE)
    gc.freeze()
    access = Access(
        KeyRing(engine.store), settings.server, processes=processes, only_loopback=exposed.loopback
    )
    return create_app(engine, access=access, metrics=metrics)


async def warmed(engine: Engine, pool: Pool) -> None:
    """Take no request that would have to wait for what every answer needs."""
    reading = asyncio.create_task(pool.call(engine.recommendations.warm))
    reading.add_done_callback(_noted)
    await asyncio.wait([reading], timeout=_WARM)


def train_first(engine: Engine) -> None:
    """Begin the first training behind the answers, where there is anything to train on."""
    if not engine.trainer.has_models() and engine.data.counts().events:
        text = message("server.untrained").text
        log.warning("not trained", extra={"fields": {"text": text}})
        engine.trainer.start_behind()


def _noted(reading: asyncio.Task[None]) -> None:
    """What went wrong is told again by the first request that meets it."""
    if not reading.cancelled() and (error := reading.exception()) is not None:
        log.warning("not warmed", extra={"fields": {"error": type(error).__name__}})


def create_app(
    engine: Engine, *, access: Access | None = None, metrics: Metrics | None = None
) -> FastAPI:
    """The application over an engine that the caller opened; the application closes it when it
    stops.

    access: who may ask what; without it everyone may ask everything. metrics: that the engine tells
    of its work, too.
    """
    settings = engine.settings.server
    engine.trainer.patience = PATIENCE
    pool = Pool(settings.threads)
    metrics = metrics or Metrics()

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        await warmed(engine, pool)
        await pool.call(train_first, engine)
        embedding = Embedding(engine, pool)
        embedding.start()
        yield
        await embedding.close()
        await pool.call(engine.trainer.close)
        await pool.close()
        await engine.close()

    app = Described(
        title="Limner",
        version="1",
        description=(
            "Portraits of users in which every claim points at events, and "
            "recommendations that say why."
        ),
        lifespan=life,
        docs_url=None,
        redoc_url=None,
    )
    renderer = web.Renderer(lambda: engine.store.meanings().nouns)
    for routes in [
        *routers(engine, pool),
        docs.router(),
        health.router(engine, pool, metrics),
        web.router(engine, pool, renderer),
    ]:
        app.include_router(routes)
    answer_problems(app)
    # The last that is added stands outermost.
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=4)
    app.add_middleware(
        AccessMiddleware,
        places=Places(lambda: app.routes),
        access=access or Access(None, settings),
        metrics=metrics,
        settings=settings,
    )
    app.add_middleware(web.ProblemPages, renderer=renderer)
    if settings.cors:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors,
            allow_methods=("GET", "POST", "PATCH", "DELETE"),
            allow_headers=("Authorization", "If-None-Match", "X-Request-ID"),
            expose_headers=("ETag", "Retry-After", "X-Request-ID"),
        )
    app.add_middleware(Segments)
    return app


def one_thread_a_product() -> None:
    """Many requests are worked on at once: that each should also share its small matrix products
    out among all cores costs several times what it brings.
    """
    import numpy  # noqa: F401  whose library is to be limited
    from threadpoolctl import threadpool_limits

    threadpool_limits(1, "blas")


class _Patient(HttpToolsProtocol):
    """A connection whose client may be slow, but not for ever: in sending a request's head, or
    taking in an answer.
    """

    loop: AbstractEventLoop
    transport: Transport

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
        *,
        seconds: float,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._seconds = seconds
        self._head: TimerHandle | None = None
        self._taking: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head = self._limit()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head = self._head or self._limit()

    def on_headers_complete(self) -> None:
        self._has_head()
        super().on_headers_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._taking = self._taking or self._limit()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._has_taken()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._has_head()
        self._has_taken()

    def _limit(self) -> TimerHandle:
        return self.loop.call_later(self._seconds, self.transport.abort)

    def _has_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _has_taken(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None


# ---------------------------------------------------------------- the log


class JsonLines(logging.Formatter):
    """A JSON object a line. Of an error its kind and place are told, and not its message, which may
    name a user.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "process": record.process,
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[1] is not None:
            line.update(described(record.exc_info[1]))
            if debugging():
                line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def _logging(quiet: bool) -> dict[str, Any]:
    """The logging configuration, as `logging.config.dictConfig` takes it."""
    level = "WARNING" if quiet else "INFO"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": "limner.server.JsonLines"}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "lines",
                "stream": "ext://sys.stderr",
            }
        },
        "loggers": {
            "limner": {"handlers": ["stderr"], "level": level, "propagate": False},
            "uvicorn": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        },
    }


class _Logged:
    """Progress of a server: what a person should read goes to the log, the rest would only fill
    it.
    """

    def start(self, label: str, total: int | None = None) -> None:
        if total != 1:
            log.info("begun", extra={"fields": _labelled(label, total)})

    def advance(self, n: int = 1) -> None: ...

    def done(self) -> None: ...

    def say(self, text: str) -> None:
        log.warning("note", extra={"fields": {"text": text}})


def _labelled(label: str, total: int | None) -> Mapping[str, object]:
    return {"work": label} if total is None else {"work": label, "total": total}
