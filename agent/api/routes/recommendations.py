"""Recommendations."""

from typing import Annotated

from fastapi import APIRouter, Query

from agent.api.pool import Pool
from agent.api.problems import problems
from agent.api.routes.common import UserId
from agent.engine import Engine
from agent.schema import Recommendations


def router(engine: Engine, pool: Pool) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["recommendations"])

    @routes.get("/users/{user_id}/recommendations", responses=problems(404, 422, 503))
    async def get_recommendations(
        user_id: UserId,
        n: Annotated[int, Query(ge=1, le=100, description="How many items.")] = 10,
        explain: Annotated[bool, Query(description="With a verified reason for every item.")] = True,
    ) -> Recommendations:
        """Items for a user, best first, never one the user has had."""
        [result] = await pool.run(lambda: engine.recommend([user_id], n, explain=explain))
        return result

    return routes
