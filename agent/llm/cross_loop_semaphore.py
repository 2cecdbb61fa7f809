"""A semaphore that event loops of several threads share; asyncio's own belongs to one loop."""

import asyncio
from collections import deque
from threading import Lock


class CrossLoopSemaphore:
    """At most `free` holders at once; further ones wait in order of arrival. Used as `async with
    gate:`.
    """

    def __init__(self, free: int) -> None:
        self._free = free
        self._lock = Lock()
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def __aenter__(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            with self._lock:
                given = waiter not in self._waiting
                if not given:
                    self._waiting.remove(waiter)
            if given:  # the place was ours already
                self._leave()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._leave()

    def _leave(self) -> None:
        """Hand the place on, or back where nobody waits."""
        while True:
            with self._lock:
                if not self._waiting:
                    self._free += 1
                    return
                waiter = self._waiting.popleft()
            try:
                waiter.get_loop().call_soon_threadsafe(_admit, waiter)
            except RuntimeError:
                continue  # its loop is closed: nobody waits there any more
            return


def _admit(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
