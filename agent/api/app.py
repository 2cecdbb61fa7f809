"""The application: routes, and what surrounds them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware

from agent.api import docs, health
from agent.api.access import Access
from agent.api.document import Described
from agent.api.metrics import Metrics
from agent.api.middleware import Guard, Places
from agent.api.paths import Segments
from agent.api.pool import Pool
from agent.api.problems import answer_problems
from agent.api.routes import routers
from agent.engine import Engine


def create_app(engine: Engine, *, access: Access | None = None, metrics: Metrics | None = None) -> FastAPI:
    """The application over an engine that the caller opened; the application closes it when it stops.

    access: who may ask what; without it everyone may ask everything. metrics: that the engine tells of its work, too.
    """
    from agent import web  # which stands on this package

    settings = engine.settings.server
    pool = Pool(settings.threads)
    metrics = metrics or Metrics()

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
