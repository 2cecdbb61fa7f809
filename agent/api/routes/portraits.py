"""Portraits."""

from typing import Annotated

from fastapi import APIRouter, Query

from agent.api.pool import Pool
from agent.api.problems import problems
from agent.api.routes.common import UserId
from agent.engine import Engine
from agent.schema import Profile


def router(engine: Engine, pool: Pool) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["portraits"])

    @routes.get("/users/{user_id}/profile", responses=problems(404, 422, 503))
    async def get_profile(
        user_id: UserId,
        version: Annotated[int | None, Query(ge=1, description="A stored version; the newest if left out.")] = None,
    ) -> Profile:
        """The portrait of a user; built first where there is none."""
        return await pool.run(lambda: engine.profile(user_id, version))

    return routes
