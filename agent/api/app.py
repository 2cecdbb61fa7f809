"""The application: routes, and what surrounds them."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware

from limner.api import docs, health
from limner.api.access import Access
from limner.api.background import Embedding
from limner.api.document import Described
from limner.api.metrics import Metrics
from limner.api.middleware import Guard, Places
from limner.api.paths import Segments
from limner.api.pool import Pool
from limner.api.problems import answer_problems
from limner.api.routes import routers
from limner.engine import Engine

_WARM = 10.0
"""Seconds for which a process may read what its answers need before it takes requests; it reads on beside them."""

log = logging.getLogger("limner")


async def warmed(engine: Engine, pool: Pool) -> None:
    """Take no request that would have to wait for what every answer needs."""
    reading = asyncio.create_task(pool.call(engine.swift.warm))
    reading.add_done_callback(_noted)
    await asyncio.wait([reading], timeout=_WARM)
    if reading.done() and not engine.snapshots.has_models():
        text = "The ranker is not trained; the first recommendation waits for that. `limner train` does it beforehand."
        log.warning("not trained", extra={"fields": {"text": text}})


def _noted(reading: asyncio.Task[None]) -> None:
    """What went wrong is told again by the first request that meets it."""
    if not reading.cancelled() and (error := reading.exception()) is not None:
        log.warning("not warmed", extra={"fields": {"error": type(error).__name__}})


def create_app(engine: Engine, *, access: Access | None = None, metrics: Metrics | None = None) -> FastAPI:
    """The application over an engine that the caller opened; the application closes it when it stops.

    access: who may ask what; without it everyone may ask everything. metrics: that the engine tells of its work, too.
    """
    from limner import web  # which stands on this package

    settings = engine.settings.server
    pool = Pool(settings.threads)
    metrics = metrics or Metrics()

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        await warmed(engine, pool)
        embedding = Embedding(engine, pool)
        embedding.start()
        yield
        await embedding.close()
        await pool.close()
        await engine.close()

    app = Described(
        title="Limner",
        version="1",
        description="Portraits of users in which every claim points at events, and recommendations that say why.",
        lifespan=life,
        docs_url=None,
        redoc_url=None,
    )
    renderer = web.Renderer()
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
        Guard,
        places=Places(lambda: app.routes),
        access=access or Access(None, settings),
        metrics=metrics,
        settings=settings,
    )
    app.add_middleware(web.Pages, renderer=renderer)
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
