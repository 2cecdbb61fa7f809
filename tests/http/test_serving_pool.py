"""Where requests work: what runs there does not hold up the loop that serves, and ends when nobody
waits for it.
"""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from limner.api.pool import Pool


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    pool = Pool(threads=2)
    yield pool
    await pool.close()


async def test_slow_work_leaves_the_loop_free(pool: Pool) -> None:
    go = threading.Event()

    async def slow() -> str:
        go.wait(30)
        return threading.current_thread().name

    waiting = [asyncio.create_task(pool.run(slow)), asyncio.create_task(pool.call(go.wait, 30))]
    await asyncio.sleep(0.01)  # only possible where the loop is free
    assert not any(one.done() for one in waiting)
    go.set()
    name, waited = await asyncio.gather(*waiting)
    assert str(name).startswith("limner")
    assert waited is True


async def test_values_and_errors_come_through(pool: Pool) -> None:
    async def broken() -> None:
        raise KeyError("gone")

    assert await pool.call(divmod, 7, 2) == (3, 1)
    with pytest.raises(KeyError, match="gone"):
        await pool.run(broken)


async def test_a_thread_keeps_its_loop() -> None:
    """What a model's client keeps for a loop, its connections, is met again."""
    one = Pool(threads=1)

    async def loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    assert await one.run(loop) is await one.run(loop) is not asyncio.get_running_loop()
    await one.close()


async def test_work_ends_when_nobody_waits_for_it(pool: Pool) -> None:
    begun, ended = threading.Event(), threading.Event()

    async def long() -> None:
        begun.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            ended.set()
            raise

    waiting = asyncio.create_task(pool.run(long))
    await pool.call(begun.wait, 30)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await pool.call(ended.wait, 30)


async def test_work_that_nobody_waits_for_any_more_does_not_begin() -> None:
    pool, go, begun = Pool(threads=1), threading.Event(), threading.Event()

    async def later() -> None:
        begun.set()

    first = asyncio.create_task(pool.call(go.wait, 30))
    second = asyncio.create_task(pool.run(later))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.sleep(0)
    go.set()
    await first
    await pool.call(time.monotonic)
    assert not begun.is_set()
    await pool.close()


async def test_a_stream_comes_as_it_is_made(pool: Pool) -> None:
    go = threading.Event()

    async def words() -> AsyncGenerator[str, None]:
        yield "first"
        go.wait(30)
        for number in range(100):
            yield str(number)

    found = []
    async for word in pool.stream(words):
        found.append(word)
        go.set()
    assert found == ["first", *map(str, range(100))]


async def test_an_error_in_a_stream_comes_after_what_was_said(pool: Pool) -> None:
    async def words() -> AsyncGenerator[str, None]:
        yield "said"
        raise KeyError("gone")

    found = []
    with pytest.raises(KeyError, match="gone"):
        async for word in pool.stream(words):
            found.append(word)
    assert found == ["said"]


async def test_a_stream_ends_when_its_reader_goes(pool: Pool) -> None:
    ended = threading.Event()

    async def words() -> AsyncGenerator[int, None]:
        try:
            for number in range(10**9):  # far more than may wait for a reader
                yield number
        finally:
            ended.set()

    reading = pool.stream(words)
    assert await anext(reading) == 0
    await reading.aclose()
    assert await pool.call(ended.wait, 30)


async def test_a_stream_ends_when_its_reader_is_called_off(pool: Pool) -> None:
    """As a web framework does it, which never closes what it was reading."""
    begun, ended = asyncio.Event(), threading.Event()

    async def words() -> AsyncGenerator[int, None]:
        try:
            for number in range(10**9):
                yield number
        finally:
            ended.set()

    reading = pool.stream(words)

    async def reader() -> None:
        async for _ in reading:
            begun.set()
            await asyncio.sleep(3600)

    task = asyncio.create_task(reader())
    await begun.wait()
    task.cancel()
    assert await pool.call(ended.wait, 30)
