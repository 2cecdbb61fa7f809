"""Work after the answers: a model words reasons, and portraits are embedded, a bounded number at a
time.
"""

import asyncio
import logging
from functools import partial

from limner.api.pool import Pool
from limner.core.errors import LimnerError, StoreBusyError
from limner.core.schema import Recommendations
from limner.engine import Engine

log = logging.getLogger("limner.later")

REST, PATIENCE = 2.0, 60.0
"""Seconds between two looks for portraits to embed, and after one that failed."""
WAITING = 64
"""Most lists that wait to be worded; further ones are dropped."""


class Later:
    """Words the reasons of answers that went out in template words, one list after another."""

    def __init__(self, engine: Engine, pool: Pool) -> None:
        self._engine, self._pool = engine, pool
        self._has_model = engine.models.is_set()
        self._waiting: dict[str, Recommendations] = {}
        self._task: asyncio.Task[None] | None = None

    def word(self, answer: Recommendations) -> None:
        """Have the reasons of a user's list worded, where a model is set and some stand in template
        words.
        """
        plain = any(
            one.reason is not None and one.reason.source != "llm" for one in answer.recommendations
        )
        if not self._has_model or not plain or answer.fallback or len(self._waiting) >= WAITING:
            return
        self._waiting[answer.user_id] = answer
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())

    async def _work(self) -> None:
        while self._waiting:
            user_id = next(iter(self._waiting))
            answer = self._waiting.pop(user_id)
            try:
                await self._pool.run(partial(self._engine.recommendations.word, answer))
            except LimnerError as error:
                log.warning("not worded", extra={"fields": {"error": type(error).__name__}})

    async def close(self) -> None:
        """Stop the work, and drop the waiting lists."""
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])


class Embedding:
    """Embeds the portraits that were painted since, some at a time, whoever painted them."""

    def __init__(self, engine: Engine, pool: Pool) -> None:
        self._engine, self._pool = engine, pool
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._work())

    async def _work(self) -> None:
        rest = REST
        while True:
            await asyncio.sleep(rest)
            try:
                await self._pool.call(self._engine.portraits.embed_some)
                rest = REST
            except StoreBusyError:
                rest = REST  # another worker may be embedding them
            except LimnerError as error:
                rest = PATIENCE
                log.warning("not embedded", extra={"fields": {"error": type(error).__name__}})

    async def close(self) -> None:
        """Stop; what waits for it is in the store."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
