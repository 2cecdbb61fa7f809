"""Whether the server lives and can answer, and what it has counted."""

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from limner.api.metrics import CONTENT_TYPE, LedgerCounts, Metrics
from limner.api.pool import Pool
from limner.api.problems import problem, problems
from limner.api.strict_route import StrictRoute
from limner.core.schema import Value
from limner.diagnostics import Readiness
from limner.engine import Engine


class Alive(Value):
    """The process answers."""

    status: str = Field("ok", description="Always ok.", examples=["ok"])


def router(engine: Engine, pool: Pool, metrics: Metrics) -> APIRouter:
    routes = APIRouter(tags=["operations"], route_class=StrictRoute)
    ledger = LedgerCounts(engine.store)

    @routes.get("/health/live")
    async def live() -> Alive:
        """The process answers."""
        return Alive()

    @routes.get("/health/ready", responses=problems(503), response_model=Readiness)
    async def ready() -> Readiness | Response:
        """Store, trained ranker and vectors can be used; else a problem document that says what is
        missing.
        """
        found = await pool.call(engine.doctor.readiness)
        return problem(503, "not_ready", " ".join(found.faults)) if found.faults else found

    @routes.get(
        "/metrics", response_class=Response, responses={200: {"content": {CONTENT_TYPE: {}}}}
    )
    async def shown() -> Response:
        """Requests, stages, model calls, tokens, cost, drops and fallbacks, in Prometheus' text
        format.
        """
        return Response(await pool.call(metrics.show, ledger), media_type=CONTENT_TYPE)

    return routes
