"""The gate that event loops of several threads share."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from limner.llm.cross_loop_semaphore import CrossLoopSemaphore


def test_no_more_than_so_many_are_inside_whatever_their_loop() -> None:
    gate, lock = CrossLoopSemaphore(2), threading.Lock()
    inside = most = served = 0

    async def visit() -> None:
        nonlocal inside, most, served
        async with gate:
            with lock:
                inside += 1
                most = max(most, inside)
            await asyncio.sleep(0.001)
            with lock:
                inside -= 1
                served += 1

    async def several() -> None:
        await asyncio.gather(*(visit() for _ in range(10)))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: asyncio.run(several()), range(4)))
    assert (most, inside, served) == (2, 0, 40)


async def test_who_stops_waiting_leaves_the_place_to_the_next() -> None:
    gate, said = CrossLoopSemaphore(1), list[str]()

    async def visit(name: str) -> None:
        async with gate:
            said.append(name)

    async with gate:
        first, second = asyncio.create_task(visit("first")), asyncio.create_task(visit("second"))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
    await second
    third = asyncio.create_task(visit("third"))
    await third
    assert said == ["second", "third"]


async def test_a_place_that_is_given_to_one_who_just_left_is_not_lost() -> None:
    gate = CrossLoopSemaphore(1)

    async def visit() -> None:
        async with gate:
            await asyncio.sleep(3600)

    await gate.__aenter__()
    waiting = asyncio.create_task(visit())
    await asyncio.sleep(0)
    await gate.__aexit__()
    waiting.cancel()  # before it could know that it was let in
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(30), gate:
        pass


async def test_a_loop_that_is_gone_is_passed_over() -> None:
    gate = CrossLoopSemaphore(1)
    await gate.__aenter__()
    loop = asyncio.new_event_loop()
    gate._waiting.append(loop.create_future())
    loop.close()
    await gate.__aexit__()
    async with asyncio.timeout(30), gate:
        pass
