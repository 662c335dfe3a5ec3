"""Recovery behind nginx after servers fail and return."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from tests.nginx.conftest import StartFront
from tests.nginx.front import Front, Upstream
from tests.support.ports import free_port

pytestmark = pytest.mark.timeout(120)

PEOPLE = 40
BACK_S = 5.0
_RETRY_S = 0.2
_AWAY_S = 1.0


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[Upstream]]:
    """Three servers for one test."""
    with ExitStack() as exits:
        folders = [tmp_path / str(number) for number in range(3)]
        for folder in folders:
            folder.mkdir()
        yield [exits.enter_context(Upstream(folder)) for folder in folders]


class Person:
    """Holds one socket and reopens it after each end, like the page."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self.since = 0.0
        self.online = False

    async def stay(self) -> None:
        while True:
            try:
                async with connect(f"{self.front.ws}/ws/", open_timeout=10, proxy=None) as wire:
                    await wire.recv()
                    self.online, self.since = True, monotonic()
                    async for _ in wire:
                        pass
            except (OSError, ConnectionClosed, InvalidHandshake, InvalidMessage, TimeoutError):
                pass
            self.online = False
            await asyncio.sleep(_RETRY_S)


@pytest.mark.parametrize("replicas", [2, 3])
async def test_all_sockets_are_back_soon_after_all_servers_restart(
    servers: list[Upstream], start_front: StartFront, replicas: int
) -> None:
    """A finished trial request clears nginx's failure mark.

    A socket never finishes, which cost a minute.
    """
    used = servers[:replicas]
    front = start_front(upstream_ports=[one.port for one in used])
    async with asyncio.TaskGroup() as group:
        people = [Person(front) for _ in range(PEOPLE)]
        tasks = [group.create_task(person.stay()) for person in people]
        await _all_online(people, since=0.0)
        for one in used:
            await asyncio.to_thread(one.kill)
        await asyncio.sleep(_AWAY_S)
        await asyncio.gather(*(asyncio.to_thread(one.start) for one in used))
        back = monotonic()
        await _all_online(people, since=back - _AWAY_S)
        waited = monotonic() - back
        for task in tasks:
            task.cancel()
    assert waited < BACK_S


async def test_only_live_server_gets_all_clients(servers: list[Upstream], start_front: StartFront) -> None:
    """Dead servers have the fewest connections.

    nginx tries them first, and must still reach the live one.
    """
    front = start_front(upstream_ports=[one.port for one in servers])
    for one in servers[1:]:
        await asyncio.to_thread(one.kill)
    for _ in range(20):
        async with connect(f"{front.ws}/ws/", open_timeout=1, proxy=None) as wire:
            await wire.recv()
    answers = await asyncio.gather(*(asyncio.to_thread(front.get, "/api/me") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}


async def test_restart_one_by_one_refuses_no_client(servers: list[Upstream], start_front: StartFront) -> None:
    front = start_front(upstream_ports=[one.port for one in servers])
    statuses: list[int] = []
    for one in servers:
        await asyncio.to_thread(one.kill)
        statuses += [(await asyncio.to_thread(front.get, "/api/me")).status_code for _ in range(5)]
        await asyncio.to_thread(one.start)
    assert set(statuses) == {200}


def test_absence_of_all_servers_is_answered_soon(start_front: StartFront) -> None:
    front = start_front(upstream_ports=[free_port() for _ in range(4)])
    asked = monotonic()
    assert front.get("/api/rooms").status_code == 503
    assert monotonic() - asked < 5, "refused connections cost no time"


async def _all_online(people: list[Person], *, since: float) -> None:
    async with asyncio.timeout(90):
        while not all(person.online and person.since > since for person in people):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
