"""Users, sockets and a bystander for the tests of the socket paths."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from typing import Any, ClassVar

import pytest

from tests.support.chat_client import Account, ChatClient, create_room, sign_up
from tests.support.plain_socket import PlainSocket
from tests.support.profile import Profile
from tests.support.profile import profile as chosen
from tests.support.server import Server

# The embedded profile has neither Redis nor several processes. Tests with their own Redis, tests of the
# parser of frames and tests of the tests run once.
collect_ignore = (
    ["layer", "property/test_mutations.py", "test_bad_bytes.py", "test_control_floods.py", "test_wire_fuzz.py"]
    if chosen.redis
    else ["across"]
)


@pytest.fixture(scope="session")
def unlimited(profile: Profile) -> Iterator[Server]:
    """A shared server without the limits of messages and sockets."""
    with ExitStack() as exits:
        shared = Server(profile, {"LIMIT_MESSAGES_PER_S": "0", "LIMIT_SOCKETS_PER_USER": "0"})
        exits.callback(shared.close)
        shared.start()
        yield shared


@pytest.fixture
async def plain(server: Server) -> AsyncIterator[Any]:
    """Open sockets without checks: `socket = await plain("/infra/ws", ada)`."""
    async with AsyncExitStack() as exits:

        async def one(path: str, account: Account | None = None, **options: Any) -> PlainSocket:
            headers = account.headers if account else {}
            return await exits.enter_async_context(PlainSocket(server.ws_url(path), headers=headers, **options))

        yield one


class Witness:
    """A bystander in a room with constant messages, who notices delays and losses."""

    # A slower round trip was delayed by the load of the test; a busy test machine stays far below.
    PATIENCE_S = 3.0
    EVERY_S = 0.1
    # When each talker's next message is due, by token: the messages of short tests would exceed the limit of a person.
    due: ClassVar[dict[str, float]] = {}

    def __init__(self, room: str, talker: ChatClient, listener: ChatClient) -> None:
        self.room, self.talker, self.listener = room, talker, listener
        self.slowest = 0.0
        self.heard = 0

    async def hear_once(self) -> None:
        """Send one message from the talker to the listener, whose client checks the order."""
        assert self.talker.account
        token = self.talker.account.token
        await asyncio.sleep(self.due.get(token, 0.0) - time.monotonic())
        started = time.monotonic()
        self.due[token] = started + self.EVERY_S
        sent = await self.talker.send(self.room, f"still here {started}")
        await self.listener.expect("message", seq=sent["seq"], room=self.room)
        self.slowest = max(self.slowest, time.monotonic() - started)
        self.heard += 1

    async def talk(self) -> None:
        """Send messages until cancelled."""
        while True:
            await self.hear_once()


@asynccontextmanager
async def witnessing(server: Server, room: str, talker: Account, listener: Account) -> AsyncIterator[Witness]:
    """Send messages in a room during the block.

    Fails when one is lost or late for the listener.
    """
    async with ChatClient(server.ws_url(), talker) as mouth, ChatClient(server.ws_url(), listener) as ear:
        await mouth.join(room)
        await ear.join(room)
        witness = Witness(room, mouth, ear)
        talking = asyncio.create_task(witness.talk())
        try:
            yield witness
        finally:
            failed = talking.done()
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)
        if failed:
            talking.result()  # raises the bystander's error
        await witness.hear_once()
        assert witness.slowest < Witness.PATIENCE_S, f"a bystander's message took {witness.slowest:.1f} s"


class Cast:
    """Users who exist for the whole run.

    For tests to which their earlier actions do not matter.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.talker, self.listener, self.ada, self.bob, self.stranger = asyncio.run(self._sign_up(5))
        self.room = asyncio.run(create_room(server.base_url, self.talker))

    async def _sign_up(self, number: int) -> list[Account]:
        return [await sign_up(self.server.base_url) for _ in range(number)]


@pytest.fixture(scope="session")
def cast(server: Server) -> Cast:
    """The users of the shared server."""
    return Cast(server)


@pytest.fixture
async def witness(server: Server, cast: Cast) -> AsyncIterator[Witness]:
    """A bystander on the shared server during the test.

    `witness.room` is the room for misbehaviour.
    """
    async with witnessing(server, cast.room, cast.talker, cast.listener) as bystander:
        yield bystander


@pytest.fixture
def ada(cast: Cast) -> Account:
    """A user with earlier rooms and messages."""
    return cast.ada


@pytest.fixture
def bob(cast: Cast) -> Account:
    """A second user."""
    return cast.bob


@pytest.fixture
def stranger(cast: Cast) -> Account:
    """A user in no room but the lobby."""
    return cast.stranger
