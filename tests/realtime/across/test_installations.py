"""Two installations on one Redis do not get each other's messages."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack

import pytest

from tests.support.api import anonymous, session_cookie, signed_in, with_token
from tests.support.chat_client import Account, ChatClient, create_room, sign_up
from tests.support.plain_socket import PlainSocket
from tests.support.processes import StartError
from tests.support.profile import Profile
from tests.support.server import Server, manage
from tests.support.services import Redis

# A message through the layer takes milliseconds, presence at most a second.
SILENT_S = 1.5


class Neighbours:
    """Two installations with equal ids: one database is a copy of the other."""

    def __init__(self, profile: Profile, exits: ExitStack) -> None:
        self.redis = exits.enter_context(Redis())
        self.servers: list[Server] = []
        for number in (4, 5):
            url = self.redis.url.removesuffix("/0") + f"/{number}"
            server = Server(profile, {"REDIS_URL": url, "WEB_CONCURRENCY": "1"})
            exits.callback(server.close)
            self.servers.append(server)
        manage("installation", "--new", env=self.servers[1].env)
        for server in self.servers:
            server.start()


class Side:
    """One installation: owner, private room, joined socket, second user."""

    def __init__(self, server: Server, owner: Account, guest: Account, room: str, socket: ChatClient) -> None:
        self.server, self.owner, self.guest, self.room, self.socket = server, owner, guest, room, socket


@pytest.fixture(scope="module")
def neighbours(profile: Profile) -> Iterator[Neighbours]:
    with ExitStack() as exits:
        yield Neighbours(profile, exits)


@pytest.fixture
async def sides(neighbours: Neighbours) -> AsyncIterator[list[Side]]:
    async with AsyncExitStack() as exits:
        sides = []
        for server in neighbours.servers:
            owner, guest = await sign_up(server.base_url), await sign_up(server.base_url)
            room = await create_room(server.base_url, owner, private=True)
            socket = await exits.enter_async_context(ChatClient(server.ws_url(), owner))
            await socket.join(room)
            sides.append(Side(server, owner, guest, room, socket))
        assert sides[0].owner.id == sides[1].owner.id
        yield sides


async def test_message_stays_within_its_installation(sides: list[Side]) -> None:
    here, there = sides
    await here.socket.send(here.room, "private")
    await there.socket.expect_nothing("message", seconds=SILENT_S)
    sent = await there.socket.send(there.room, "mine")
    assert sent["seq"] == 1


async def test_presence_stays_within_its_installation(sides: list[Side]) -> None:
    here, there = sides
    async with with_token(here.server.base_url, here.owner) as http:
        answer = await http.post(f"/api/rooms/{here.room}/members", json={"user": here.guest.id})
        assert answer.is_success, answer.text
    there.socket.pending_frames()
    async with ChatClient(here.server.ws_url(), here.guest) as socket:
        assert (await socket.join(here.room))["online_count"] == 2
        await there.socket.expect_nothing("presence", seconds=SILENT_S, online_count=2)
        async with ChatClient(there.server.ws_url(), there.owner) as again:
            assert (await again.join(there.room))["online_count"] == 1


async def test_password_change_closes_only_its_own_sockets(sides: list[Side]) -> None:
    here, there = sides
    async with AsyncExitStack() as exits:
        pages = [await signed_in(await exits.enter_async_context(anonymous(s.server.base_url)), s.owner) for s in sides]
        cookies = [session_cookie(page) for page in pages]
        opened = [PlainSocket(s.server.ws_url(), headers=cookie) for s, cookie in zip(sides, cookies, strict=True)]
        sockets = [await exits.enter_async_context(socket) for socket in opened]
        for socket in sockets:
            await socket.receive_type("hello")
        form = {"old_password": here.owner.password, "new_password1": "a better horse", "new_password2": "a better horse"}
        assert (await pages[0].post("/accounts/password/", data=form)).status_code == 302
        await sockets[0].expect_close(4010)
        with pytest.raises(TimeoutError):
            await sockets[1].expect_close(4010, timeout=SILENT_S)
    assert (await there.socket.send(there.room, "still here"))["seq"] == 1


async def test_every_name_in_redis_contains_the_id(sides: list[Side], neighbours: Neighbours) -> None:
    ids = {manage("installation", env=server.env).strip() for server in neighbours.servers}
    assert len(ids) == 2
    assert all(re.fullmatch(r"[0-9a-f]{16}", one) for one in ids)
    prefixes = tuple(f"hubbub:{one}:".encode() for one in ids)
    with neighbours.redis.client() as client:
        names = client.pubsub_channels()
        for number in (4, 5):
            client.select(number)
            names += client.keys()
    assert len(names) > 4
    assert [name for name in names if not name.startswith(prefixes)] == []


def test_copied_installation_gets_a_new_id(neighbours: Neighbours) -> None:
    env = neighbours.servers[1].env
    before = manage("installation", env=env)
    after = manage("installation", "--new", env=env)
    assert after != before
    assert manage("installation", env=env) == after
    assert manage("installation", env=env | {"INSTALLATION_ID": "staging"}).strip() == "staging"


def test_an_unusable_id_is_refused_by_name(profile: Profile) -> None:
    with pytest.raises((StartError, RuntimeError), match="INSTALLATION_ID is 'a:b': use 1 to 64 letters, digits, - and _"):
        manage("check", env=Server(profile, {"INSTALLATION_ID": "a:b"}).env)
