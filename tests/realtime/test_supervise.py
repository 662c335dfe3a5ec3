"""Background loops outlive errors, and end when they are cancelled."""

import asyncio

import pytest

from core import supervise as loops
from core.supervise import cancel_all, run_forever

pytestmark = pytest.mark.once


async def test_failed_pass_does_not_end_the_loop() -> None:
    ticks = 0
    second = asyncio.Event()

    async def tick() -> None:
        nonlocal ticks
        ticks += 1
        if ticks == 1:
            raise ValueError("one bad tick")
        second.set()
        await asyncio.sleep(3600)

    task = asyncio.create_task(run_forever(tick))
    async with asyncio.timeout(10):
        await second.wait()
    await cancel_all([task])
    assert task.cancelled()


async def test_a_cancellation_that_is_swallowed_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "AGAIN_S", 0.05)
    swallowed = 0

    async def tick() -> None:
        nonlocal swallowed
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            swallowed += 1
            if swallowed > 2:
                raise

    tasks = [asyncio.create_task(run_forever(tick)), asyncio.create_task(asyncio.sleep(0))]
    await asyncio.sleep(0.01)
    async with asyncio.timeout(5):
        await cancel_all(tasks)
    assert swallowed == 3
    assert tasks[0].cancelled()


async def test_wait_for_an_endless_task_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "AGAIN_S", 0.02)
    stop = asyncio.Event()

    async def stubborn() -> None:
        while not stop.is_set():
            try:
                await stop.wait()
            except asyncio.CancelledError:
                continue

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await cancel_all([task])
    assert not task.done()
    stop.set()
    await task
