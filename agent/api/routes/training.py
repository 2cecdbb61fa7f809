"""How the ranker stands."""

from fastapi import APIRouter
from fastapi.responses import Response

from limner.api.pool import Pool
from limner.api.routes.common import told, usual
from limner.api.strict_route import StrictRoute
from limner.core.schema import TrainingStatus
from limner.engine import Engine


def router(engine: Engine, pool: Pool) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["operations"], route_class=StrictRoute)

    @routes.get(
        "/training",
        response_model=TrainingStatus,
        responses=usual(plain=True),
        summary="How the ranker stands",
    )
    async def training() -> Response:
        """Whether lists come from a trained ranker, and how far a training under way has come, in
        whatever process of this machine.
        """
        return told(await pool.call(engine.trainer.status))

    return routes
