"""The application on other servers: asgiref's test client, stock uvicorn."""

import asyncio
import json
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.conf import settings

from accounts.models import User
from accounts.services import token_create
from chat.group_commit import writer
from config.asgi import application
from db import batch_loader, database
from realtime import hub
from rooms.services import room_create
from tests.support.chat_client import ChatClient, create_room, sign_up
from tests.support.processes import Process
from tests.support.profile import Profile
from tests.support.server import ROOT, Server

WAIT_S = 30
FLOOD = 5_000
Open = Callable[[], Awaitable[ApplicationCommunicator]]


def new_user() -> User:
    return User.objects.create_user(username=f"user-{secrets.token_hex(6)}")


@pytest.fixture
async def inside(transactional_db: None) -> AsyncIterator[Open]:
    """`await inside()` returns the greeted socket of a new user, in this process."""
    opened: list[ApplicationCommunicator] = []

    async def one() -> ApplicationCommunicator:
        token = await database.run(lambda: token_create(user=new_user()))
        headers = [(b"authorization", f"Token {token}".encode())]
        scope = {"type": "websocket", "path": "/ws/", "query_string": b"", "headers": headers}
        socket = ApplicationCommunicator(application, scope)
        opened.append(socket)
        await socket.send_input({"type": "websocket.connect"})
        assert (await socket.receive_output(WAIT_S))["type"] == "websocket.accept"
        assert (await reply(socket, "hello", "error"))["type"] == "hello"
        return socket

    yield one
    for socket in opened:
        await socket.send_input({"type": "websocket.disconnect", "code": 1005})
        await socket.wait(WAIT_S)
    await writer().close()
    await hub.current().stop()
    await batch_loader.close()


async def reply(socket: ApplicationCommunicator, *kinds: str) -> dict[str, Any]:
    """Return the next frame of one of these types."""
    while True:
        frame: dict[str, Any] = json.loads((await socket.receive_output(WAIT_S))["text"])
        if frame["type"] in kinds:
            return frame


def text(frame: str | dict[str, Any]) -> dict[str, Any]:
    return {"type": "websocket.receive", "text": frame if isinstance(frame, str) else json.dumps(frame)}


async def test_asgi_test_client_works(inside: Open) -> None:
    ada, bob = await inside(), await inside()
    await database.run(lambda: room_create(slug="hall", title="Hall", private=False, owner=new_user().id))
    for socket in (ada, bob):
        await socket.send_input(text({"type": "room.join", "id": 1, "room": "hall"}))
        joined = await reply(socket, "room.joined", "error")
        assert joined["type"] == "room.joined", joined
    await ada.send_input(text({"type": "message.send", "id": 2, "room": "hall", "key": "k", "text": "hello"}))
    assert (await reply(ada, "message.sent", "error"))["seq"] == 1
    assert (await reply(bob, "message"))["text"] == "hello"


async def test_thousands_of_frames_do_not_block_other_sockets(inside: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "LIMIT_MESSAGES_PER_S", 0)
    flood, other = await inside(), await inside()
    for _ in range(FLOOD):
        flood.input_queue.put_nowait(text("ping"))
    other.input_queue.put_nowait(text("ping"))
    pong = {"type": "websocket.send", "text": "pong"}
    assert await other.receive_output(WAIT_S) == pong
    assert flood.output_queue.qsize() < FLOOD / 2
    for _ in range(FLOOD):
        assert await flood.receive_output(WAIT_S) == pong


class StockServer(Server):
    """uvicorn's own command and WebSocket protocol, without Gunicorn and our worker."""

    def _start(self) -> None:
        command = [sys.executable, "-m", "uvicorn", "config.asgi:application", "--app-dir", "app", "--port", str(self.port)]
        command += ["--workers", "1", "--ws", "websockets-sansio", "--log-level", "warning"]
        env = self.env | {"PORT": str(self.port), "PUBLIC_URL": self.base_url}
        self._process = Process(command, env=env, log=self.data_dir / "server.log", cwd=ROOT)


@pytest.fixture
def stock(profile: Profile) -> Iterator[Server]:
    with ExitStack() as exits:
        server = StockServer(profile)
        exits.callback(server.close)
        server.start()
        yield server


@pytest.mark.once
async def test_stock_uvicorn_works(stock: Server) -> None:
    people = [await sign_up(stock.base_url) for _ in range(2)]
    room = await create_room(stock.base_url, people[0])
    async with ChatClient(stock.ws_url(), people[0]) as ada, ChatClient(stock.ws_url(), people[1]) as bob:
        await asyncio.gather(ada.join(room), bob.join(room))
        assert (await ada.send(room, "hello"))["seq"] == 1
        assert (await bob.expect("message", timeout=WAIT_S))["text"] == "hello"
    stock.stop()
    assert "Traceback" not in stock.log
