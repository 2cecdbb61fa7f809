"""The paths under /v1, one file a subject; each makes its router over an engine and the pool that
works for it.
"""

from fastapi import APIRouter

from limner.api.pool import Pool
from limner.api.routes import chat, data, items, openai, portraits, recommendations, training
from limner.engine import Engine


def routers(engine: Engine, pool: Pool) -> list[APIRouter]:
    """Every path under /v1."""
    return [
        one.router(engine, pool)
        for one in (data, portraits, recommendations, items, chat, openai, training)
    ]
