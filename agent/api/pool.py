"""A bounded pool of threads for requests, each with an event loop of its own. No request blocks the
server's loop.

The engine's methods are plain functions, or coroutines with plain and slow parts (reading tables,
fitting, painting), so neither may run on the loop that serves. A thread takes one request at a
time. Its loop lives as long as the thread, and with it the connections that a model's client keeps
open.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from functools import partial
from typing import Generic, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")

_AHEAD = 16
"""Pieces of a stream that may wait for a slow client before its source waits too."""


class Pool:
    """`threads` requests work at once; others wait for their turn, first come, first served."""

    def __init__(self, threads: int = 8) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="limner")
        self._own = threading.local()
        self._runners: list[asyncio.Runner] = []

    async def call(self, function: Callable[P, T], *args: P.args, **given: P.kwargs) -> T:
        """The value of a plain function. Once begun it runs to its end, whoever still waits for
        it.
        """
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, partial(function, *args, **given)
        )

    async def run(self, make: Callable[[], Awaitable[T]]) -> T:
        """The value of a coroutine, made and run in a worker; it is cancelled when the caller
        is.
        """
        job = _Job(make)
        try:
            return await asyncio.wrap_future(self._threads.submit(job.run, self._runner))
        except asyncio.CancelledError:
            job.cancel()
            raise

    async def stream(self, make: Callable[[], AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
        """The values of a generator that runs in a worker, as they come. The generator ends when
        this one is closed or its reader ends.
        """
        here = asyncio.get_running_loop()
        pieces: asyncio.Queue[T] = asyncio.Queue(_AHEAD)

        async def pump() -> None:
            async with aclosing(make()) as source:
                async for piece in source:
                    await asyncio.wrap_future(
                        asyncio.run_coroutine_threadsafe(pieces.put(piece), here)
                    )

        working = asyncio.create_task(self.run(pump))
        reader = asyncio.current_task()
        assert reader is not None
        # A reader that is called off leaves this generator as it is, and nobody may ever close it.
        reader.add_done_callback(lambda _: working.cancel())
        try:
            while not (working.done() and pieces.empty()):
                getting = asyncio.create_task(pieces.get())
                await asyncio.wait((getting, working), return_when=asyncio.FIRST_COMPLETED)
                if getting.done():
                    yield getting.result()
                else:
                    getting.cancel()
            await working
        finally:
            working.cancel()

    async def close(self) -> None:
        """Wait for running work, and start no more."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._threads.shutdown(cancel_futures=True)
        for runner in self._runners:
            runner.close()

    def _runner(self) -> asyncio.Runner:
        """The current thread's runner, made at its first use."""
        runner: asyncio.Runner | None = getattr(self._own, "runner", None)
        if runner is None:
            runner = self._own.runner = asyncio.Runner()
            self._runners.append(runner)
        return runner


class _Job(Generic[T]):
    """A coroutine that runs in one thread and is called off from another."""

    def __init__(self, make: Callable[[], Awaitable[T]]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._off = False
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Task[T]] | None = None

    def run(self, runner: Callable[[], asyncio.Runner]) -> T:
        return runner().run(self._body())

    async def _body(self) -> T:
        task = asyncio.current_task()
        assert task is not None
        with self._lock:
            self._running = (asyncio.get_running_loop(), task)
            if self._off:
                raise asyncio.CancelledError
        return await self._make()

    def cancel(self) -> None:
        with self._lock:
            self._off = True
            if self._running is not None:
                loop, task = self._running
                loop.call_soon_threadsafe(task.cancel)
