"""Whether the server lives and can answer, and what it has counted."""

from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field

from limner.api.languages import language_of
from limner.api.metrics import CONTENT_TYPE, LedgerCounts, Metrics
from limner.api.pool import Pool
from limner.api.problems import problem, problems
from limner.api.strict_route import StrictRoute
from limner.core.messages import joined
from limner.core.schema import Value
from limner.engine import Engine


class Alive(Value):
    """The process answers."""

    status: str = Field("ok", description="Always ok.", examples=["ok"])


class Readiness(Value):
    """What answers rest on; where it is not well, a problem document says so instead."""

    store: str = Field("ok", description="Always ok.", examples=["ok"])
    model: Literal["ok", "untrained"] = Field(
        "ok", description="Of the ranker; untrained: lists come from counts alone.", examples=["ok"]
    )
    index: str = Field("ok", description="Of the vectors; always ok.", examples=["ok"])


def router(engine: Engine, pool: Pool, metrics: Metrics) -> APIRouter:
    routes = APIRouter(tags=["operations"], route_class=StrictRoute)
    ledger = LedgerCounts(engine.store)

    @routes.get("/health/live")
    async def live() -> Alive:
        """The process answers."""
        return Alive()

    @routes.get("/health/ready", responses=problems(503), response_model=Readiness)
    async def ready(request: Request) -> Readiness | Response:
        """Store, ranker and vectors can be used; else a problem document that says what is
        wrong.
        """
        faults = await pool.call(engine.doctor.faults)
        if faults:
            return problem(503, "not_ready", joined(faults), language_of(request.headers))
        trained = await pool.call(engine.trainer.has_models)
        return Readiness(model="ok" if trained else "untrained")

    @routes.get(
        "/metrics", response_class=Response, responses={200: {"content": {CONTENT_TYPE: {}}}}
    )
    async def shown() -> Response:
        """Requests, stages, model calls, tokens, cost, drops and fallbacks, in Prometheus' text
        format.
        """
        return Response(await pool.call(metrics.show, ledger), media_type=CONTENT_TYPE)

    return routes
