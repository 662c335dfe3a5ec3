"""One run: a crowd that writes all the time, faults in turn, then the check."""

import asyncio
import random
import secrets
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from time import time

from tests.chaos.chaos_stack import ChaosStack
from tests.chaos.checker import check
from tests.chaos.crowd import Crowd, Size
from tests.chaos.faults.fault import Fault, Scene
from tests.chaos.figures import Figures, measure
from tests.chaos.neighbour import Neighbour
from tests.chaos.records import Row, Run, Span, Window

# Quiet time before and after a fault: longer than the longest allowed wait for an event.
BEFORE_S, AFTER_S = 4.0, 7.0
HEALTHY_S = 90.0
ACKNOWLEDGED_S, HELD_S = 30.0, 20.0
# Presence is correct by then: entries in Redis are renewed every 10 s and read within 2 s.
COUNTED_S = 20.0
# Time to listen after the last event, in which a double would still arrive.
LISTEN_S = 3.5

Say = Callable[[str], None]
ReadLog = Callable[[str], dict[str, list[Row]]]


async def drill(
    stack: ChaosStack,
    faults: Sequence[type[Fault]],
    tokens: Sequence[str],
    size: Size,
    *,
    chance: random.Random,
    say: Say,
    neighbour: Neighbour | None = None,
) -> list[Figures]:
    """Return the figures of the whole run, or of each fault and of all together.

    `neighbour`: its clients chat, too, and are checked against their own log.
    """
    prefix = f"chaos-{secrets.token_hex(4)}"
    windows: list[Window] = []
    idle: list[str] = []
    async with AsyncExitStack() as exits:
        beside = None
        if neighbour:
            await asyncio.to_thread(neighbour.align)
            beside = await exits.enter_async_context(neighbour.crowd(prefix, tokens, size, random.Random(prefix)))
        crowd = await exits.enter_async_context(Crowd(stack.url, tokens, size, prefix=prefix, chance=chance))
        scene = Scene(stack, crowd, chance)
        crowd.start_writing()
        if beside:
            beside.start_writing()
        await asyncio.sleep(BEFORE_S)
        memory = await asyncio.to_thread(stack.memory)
        for kind in faults:
            fault = kind(scene)
            windows.append(await _suffer(fault))
            say(f"  {fault.name}: {windows[-1].span.end - windows[-1].span.begin:.1f} s")
            await asyncio.sleep(AFTER_S)
            idle += [f"{fault.name} had no effect: {why}" for why in [fault.without_effect()] if why]
        run = await _settle(stack.read_log, crowd, windows)
        run.memory_before, run.memory_after, run.idle = memory, await asyncio.to_thread(stack.memory), idle
        problems = check(run)
        if neighbour and beside:
            problems += await _next_door(neighbour, beside, windows)
    gaps = sum(client.gaps for client in crowd.clients)
    return _figures(run, faults, problems, gaps)


async def _suffer(fault: Fault) -> Window:
    begin = time()
    await fault.begin()
    try:
        await asyncio.sleep(fault.lasts)
    finally:
        await fault.end()
    deadline = time() + HEALTHY_S
    while not await fault.healthy():
        assert time() < deadline, f"{fault.name}: not healthy again within {HEALTHY_S:.0f} s"
        await asyncio.sleep(0.2)
    return Window(fault.name, Span(begin, time()), fault.excuses, fault.ends_sockets, fault.back_s)


async def _settle(read_log: ReadLog, crowd: Crowd, windows: list[Window]) -> Run:
    """Wait until all messages are acknowledged and received; report the missing ones."""
    crowd.stop_writing()
    unsent: list[str] = []
    try:
        await crowd.until(lambda: not crowd.pending, ACKNOWLEDGED_S, "everything is acknowledged")
    except TimeoutError:
        unsent = crowd.pending
    log = await asyncio.to_thread(read_log, crowd.prefix)
    heads = {room: len(rows) for room, rows in log.items()}
    with suppress(TimeoutError):  # the checker names the missing events
        await crowd.until(lambda: all(client.holds(heads) for client in crowd.clients), HELD_S, "everybody has everything")
    await asyncio.sleep(LISTEN_S)
    with suppress(TimeoutError):
        await crowd.until(lambda: not crowd.miscounted(), COUNTED_S, "everybody is counted")
    return Run(
        log=await asyncio.to_thread(read_log, crowd.prefix),
        acks=[ack for client in crowd.clients for ack in client.outbox.acks],
        sights=[client.sight() for client in crowd.clients],
        windows=windows,
        unsent=unsent,
        miscounted=crowd.miscounted(),
        retries=sum(client.outbox.retries for client in crowd.clients),
    )


async def _next_door(neighbour: Neighbour, crowd: Crowd, windows: list[Window]) -> list[str]:
    """Return the neighbour's foreign events and its other broken promises."""
    found = check(await _settle(neighbour.read_log, crowd, windows))
    if not await asyncio.to_thread(neighbour.shares_ids, crowd.prefix):
        found.append("its rooms have other ids, so that nothing could mix")
    return [f"neighbour: {problem}" for problem in found]


def _figures(run: Run, faults: Sequence[type[Fault]], problems: Sequence[str], gaps: int) -> list[Figures]:
    whole = Span(run.windows[0].span.begin, time())
    if len(faults) == 1:
        return [measure(run, fault=faults[0].name, title=faults[0].title, problems=problems, during=whole, gaps=gaps)]
    ends = [*(window.span.begin for window in run.windows[1:]), whole.end]
    rows = [
        measure(run, fault=kind.name, title=kind.title, problems=(), during=Span(window.span.begin, end), gaps=0)
        for kind, window, end in zip(faults, run.windows, ends, strict=True)
    ]
    title = f"all {len(faults)}, one after the other"
    return [*rows, measure(run, fault="all", title=title, problems=problems, during=whole, gaps=gaps)]
