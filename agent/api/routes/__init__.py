"""The paths under /v1, one file a subject; each makes its router over an engine."""

from fastapi import APIRouter

from agent.api.routes import portraits, recommendations
from agent.engine import Engine


def routers(engine: Engine) -> list[APIRouter]:
    """Every path under /v1."""
    return [portraits.router(engine), recommendations.router(engine)]
