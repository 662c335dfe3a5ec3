"""A worker above its memory ceiling is drained and replaced."""

import asyncio
import os
import re
import signal
from contextlib import suppress
from time import monotonic

import httpx
import pytest

from tests.conftest import StartServer
from tests.server.test_drain import workers
from tests.support.crowd import Crowd
from tests.support.server import ROOT, Server

CEILING_MB = 400
LEAK_MB = 400
LEAKY = {
    "DJANGO_SETTINGS_MODULE": "tests.server.leaky.settings",
    "PYTHONPATH": str(ROOT),
    "WORKER_MEMORY_MAX_MB": str(CEILING_MB),
    "DRAIN_SECONDS": "5",
}
GREW = "a worker grew past its memory ceiling and is replaced"


async def leak_in_all(server: Server) -> set[int]:
    """Let each worker exceed its ceiling; return their pids."""
    leaked: set[int] = set()
    wanted = workers(server)
    deadline = monotonic() + 20
    while leaked != wanted:
        assert monotonic() < deadline, f"of {wanted} only {leaked} could be asked"
        async with httpx.AsyncClient(base_url=server.base_url, timeout=10) as http:
            leaked.add(int((await http.get("/leak/0")).text))
    for _ in range(100):
        async with httpx.AsyncClient(base_url=server.base_url, timeout=10) as http:
            pid = int((await http.get("/leak/0")).text)
            if pid in wanted:
                # The same connection: the same worker.
                wanted.discard(int((await http.get(f"/leak/{LEAK_MB}")).text))
        if not wanted:
            return leaked
    raise AssertionError(f"{wanted} did not answer")


async def wait_for_others(server: Server, former: set[int]) -> None:
    deadline = monotonic() + 60
    while workers(server) & former or len(workers(server)) != len(former):
        assert monotonic() < deadline, server.process.tail()
        await asyncio.sleep(0.1)


def recycled(server: Server) -> float:
    text = httpx.get(f"{server.base_url}/metrics", timeout=10).text
    return float(re.findall(r"^hubbub_worker_recycled_total (\S+)$", text, re.MULTILINE)[0])


@pytest.mark.drill
@pytest.mark.fleet
async def test_worker_above_its_ceiling_is_replaced_without_loss(start_server: StartServer) -> None:
    server = start_server(**LEAKY)
    await asyncio.sleep(2)  # old enough
    most = len(workers(server)) + 1
    async with Crowd(server.base_url, readers=5, writers=4, askers=2) as crowd:
        await crowd.until_written(5)
        assert recycled(server) == 0
        former = await leak_in_all(server)
        waiting = asyncio.create_task(wait_for_others(server, former))
        seen = 0
        while not waiting.done():
            seen = max(seen, len(workers(server)))
            await asyncio.sleep(0.02)
        await waiting
        await crowd.until_written(10)
        assert recycled(server) == len(former)
    await crowd.hold_to_the_log()
    assert crowd.failed_requests == []
    assert set(crowd.ended()) <= {"1012"}
    assert max(crowd.connections()) <= 1 + len(former)
    assert seen <= most, "one at a time"
    lines = [line for line in server.log.splitlines() if GREW in line]
    assert len(lines) == len(former)
    assert all(re.search(rf"ceiling_mb\D+{CEILING_MB}\D", line) for line in lines)
    # The successors are as small as fresh workers, and stay.
    now = workers(server)
    await asyncio.sleep(4)
    assert workers(server) == now
    assert server.stop() == 0


@pytest.mark.once
async def test_young_worker_is_not_replaced(start_server: StartServer) -> None:
    # The product's own settings: five minutes.
    server = start_server(**(LEAKY | {"DJANGO_SETTINGS_MODULE": "tests.server.leaky.patient"}))
    former = await leak_in_all(server)
    await asyncio.sleep(3)
    assert workers(server) == former
    assert GREW not in server.log


@pytest.mark.once
async def test_zero_lifts_the_ceiling(start_server: StartServer) -> None:
    server = start_server(**(LEAKY | {"WORKER_MEMORY_MAX_MB": "0"}))
    await asyncio.sleep(2)
    former = await leak_in_all(server)
    await asyncio.sleep(3)
    assert workers(server) == former


@pytest.mark.once
async def test_ceiling_below_a_fresh_worker_is_refused(start_server: StartServer) -> None:
    server = start_server(**(LEAKY | {"WORKER_MEMORY_MAX_MB": "90"}))
    former = workers(server)
    await asyncio.sleep(4)
    assert workers(server) == former
    assert "a fresh worker is near its memory ceiling: not watched" in server.log


@pytest.mark.fleet
async def test_death_of_a_waiting_worker_frees_its_slot(start_server: StartServer) -> None:
    server = start_server(**LEAKY)
    await asyncio.sleep(2)
    count = len(workers(server))
    former = await leak_in_all(server)
    deadline = monotonic() + 60
    while GREW not in server.log:
        assert monotonic() < deadline
        await asyncio.sleep(0.02)
    killed = 0
    for pid in former & workers(server):
        # All workers above the ceiling; one just asked for its successor. Another may have ended already.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            killed += 1
    assert killed
    # All are replaced, however long a busy machine takes to start a worker.
    await wait_for_others(server, former)
    server.wait_until_ready()
    deadline = monotonic() + 60
    while len(workers(server)) != count:  # a replacement that was asked for may still start, and then end
        assert monotonic() < deadline
        await asyncio.sleep(0.1)
    # The slot is free: the next ones above the ceiling get it.
    successors = await leak_in_all(server)
    await wait_for_others(server, successors)
