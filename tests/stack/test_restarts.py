"""Recovery time after nearly simultaneous restarts of all web containers."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from tests.stack.stack import Stack
from tests.support.chat_client import Account, sign_up

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

WITHIN_S = 5.0
PEOPLE = 40
_WATCHED_AFTER_S = 3.0
_EVERY_S = 0.1


@dataclass
class Seen:
    """Records of the clients' requests."""

    # Start time and error of each failed request.
    failed: list[tuple[float, str]] = field(default_factory=list)
    enough: bool = False


@pytest.mark.drill
@pytest.mark.parametrize("apart", [0, 3])
async def test_requests_succeed_soon_after_a_server_is_ready(
    stack: Stack, apart: float, record_testsuite_property: Callable[[str, object], None]
) -> None:
    ada = await sign_up(stack.url)
    before = stack.containers("web")
    seen = Seen()
    asking = [asyncio.create_task(keep(ask, stack, ada, seen)) for ask in (ask_for_a_page, open_a_socket) for _ in range(2)]
    restarts = [asyncio.create_task(restart(stack, one, number * apart)) for number, one in enumerate(before)]
    first = min(await asyncio.gather(*restarts))
    await asyncio.sleep(max(0.0, first + WITHIN_S - monotonic()) + _WATCHED_AFTER_S)
    seen.enough = True
    await asyncio.gather(*asking)
    failed = seen.failed
    assert failed or apart, "no client noticed the outage of all servers"
    last = max(failed, default=(first, ""))
    record_testsuite_property(f"through_again_s_{apart}_apart", round(last[0] - first, 1))
    assert last[0] - first < WITHIN_S, f"{last[0] - first:.1f} s after a server was ready: {last[1]}"
    after = stack.containers("web")
    assert [one["Id"] for one in after] == [one["Id"] for one in before]


@pytest.mark.drill
async def test_sockets_reconnect_together_after_all_restarts(
    stack: Stack, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """Only sockets are opened.

    Finished requests would clear nginx's failure marks, which sockets did not.
    """
    ada = await sign_up(stack.url)
    people = [Holding(stack, ada) for _ in range(PEOPLE)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(person.stay()) for person in people]
        await all_online(people, lives=1)
        web = stack.containers("web")
        ready = await asyncio.gather(*(restart(stack, one, 0, "--time", "0") for one in web))
        await all_online(people, lives=2)
        back = max(person.since for person in people) - max(ready)
        for task in tasks:
            task.cancel()
    record_testsuite_property("sockets_back_s", round(back, 1))
    assert back < WITHIN_S


class Holding:
    """One client's socket, reopened after each end."""

    def __init__(self, stack: Stack, account: Account) -> None:
        self.stack, self.account = stack, account
        self.lives = 0
        self.since = 0.0
        self.online = False

    async def stay(self) -> None:
        while True:
            with suppress(OSError, ConnectionClosed, InvalidHandshake, InvalidMessage, TimeoutError):
                async with connect(self.stack.ws("/ws/"), additional_headers=self.account.headers, open_timeout=15) as socket:
                    await asyncio.wait_for(socket.recv(), 15)
                    self.online, self.since, self.lives = True, monotonic(), self.lives + 1
                    await socket.wait_closed()
            self.online = False
            await asyncio.sleep(_EVERY_S)


async def all_online(people: list[Holding], *, lives: int) -> None:
    """Wait until all clients are online for that many times."""
    async with asyncio.timeout(90):
        while not all(person.online and person.lives >= lives for person in people):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def restart(stack: Stack, container: dict[str, Any], after: float, *options: str) -> float:
    """Run `docker restart`; return the time at which the container itself was ready."""
    await asyncio.sleep(after)
    command = ["docker", "restart", *options, container["Id"]]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0
    (now,) = [one for one in await asyncio.to_thread(stack.containers, "web") if one["Id"] == container["Id"]]
    address = f"http://{stack.address(now, 'edge')}:8000/readyz"
    deadline = monotonic() + 60
    async with httpx.AsyncClient(timeout=2) as http:
        while True:
            with suppress(httpx.TransportError):
                if (await http.get(address)).status_code == httpx.codes.OK:
                    return monotonic()
            assert monotonic() < deadline, "a restarted server did not become ready"
            await asyncio.sleep(_EVERY_S)


async def keep(ask: Callable[[Stack, Account], Awaitable[str]], stack: Stack, ada: Account, seen: Seen) -> None:
    """Repeat a request until the end."""
    while not seen.enough:
        asked = monotonic()
        if instead := await ask(stack, ada):
            seen.failed.append((asked, f"{ask.__name__}: {instead}"))
        await asyncio.sleep(_EVERY_S)


async def ask_for_a_page(stack: Stack, _ada: Account) -> str:
    """Return the error in place of the page; empty when it came."""
    try:
        async with httpx.AsyncClient(timeout=15) as http:
            answer = await http.get(f"{stack.url}/accounts/sign-in/")
    except httpx.TransportError as error:
        return repr(error)
    return "" if answer.status_code == httpx.codes.OK else str(answer.status_code)


async def open_a_socket(stack: Stack, ada: Account) -> str:
    """Return the error in place of `hello`; empty when it came."""
    try:
        async with connect(stack.ws("/ws/"), additional_headers=ada.headers, open_timeout=15) as socket:
            hello = str(await asyncio.wait_for(socket.recv(), 5))
    except (OSError, ConnectionClosed, InvalidHandshake, InvalidMessage, TimeoutError) as error:
        return repr(error)
    return "" if '"hello"' in hello else hello
