"""Whether the server lives and can answer, and what it has counted."""

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from limner.api.metrics import CONTENT_TYPE, LedgerCounts, Metrics
from limner.api.pool import Pool
from limner.api.problems import problem, problems
from limner.core.errors import LimnerError
from limner.core.schema import Value
from limner.engine import Engine


class Alive(Value):
    """The process answers."""

    status: str = Field("ok", description="Always ok.", examples=["ok"])


class Readiness(Value):
    """What answers rest on."""

    store: str = Field(description="`ok`, or what is wrong with the store.", examples=["ok"])
    model: str = Field(
        description="`ok`, or what is wrong with the trained ranker.", examples=["ok"]
    )
    index: str = Field(description="`ok`, or what is wrong with the vectors.", examples=["ok"])

    @property
    def faults(self) -> list[str]:
        return [text for text in (self.store, self.model, self.index) if text != "ok"]


def readiness(engine: Engine) -> Readiness:
    """Looks at all three; opens what is not open yet, so that the first request need not."""
    return Readiness(store=_store(engine), model=_model(engine), index=_index(engine))


def _store(engine: Engine) -> str:
    try:
        engine.store.revision()
    except LimnerError as error:
        return str(error)
    return "ok"


def _model(engine: Engine) -> str:
    try:
        trained = engine.snapshots.trained()
    except LimnerError as error:
        return str(error)
    return (
        "ok"
        if trained
        else "The ranker is not trained; run `limner train`, or ask for a recommendation."
    )


def _index(engine: Engine) -> str:
    try:
        engine.snapshots.check_index()
    except LimnerError as error:
        return str(error)
    return "ok"


def router(engine: Engine, pool: Pool, metrics: Metrics) -> APIRouter:
    routes = APIRouter(tags=["operations"])
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
        found = await pool.call(readiness, engine)
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
