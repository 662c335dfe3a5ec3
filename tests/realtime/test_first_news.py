"""A message that comes while a new socket's rooms are being read counts as unread."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import close_old_connections
from django.utils import timezone

from accounts.models import User
from db import database
from realtime import ports
from realtime.dialects.native import NativeDialect
from realtime.events import Person
from realtime.hub import Hub
from realtime.send_queue import Batch
from realtime.socket import Socket
from rooms.models import Membership, Room

pytestmark = pytest.mark.django_db(transaction=True)


class Frames:
    """A send queue that keeps the `unread` frames."""

    writer = None

    def __init__(self) -> None:
        self.unread: list[tuple[str, int, int]] = []

    def push(self, batch: Batch) -> bool:
        frames = map(json.loads, batch.texts)
        self.unread += [(one["room"], one["head"], one["count"]) for one in frames if one["type"] == "unread"]
        return True

    async def close(self, code: int, reason: str) -> None:
        """Do nothing: no socket is open."""


class Comer:
    """A member of a quiet room, whose memberships are read when the test lets them be."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(settings, "REDIS_SHARDS", [])
        self.hub, self.frames = Hub(), Frames()
        self.before, self.behind = asyncio.Event(), asyncio.Event()
        self.asked, self.read = asyncio.Event(), asyncio.Event()
        monkeypatch.setattr(ports.domains(), "memberships", self._held(ports.domains().memberships))

    def _held(self, ask: Callable[[int], Awaitable[Any]]) -> Callable[[int], Awaitable[Any]]:
        async def held(user: int) -> Any:
            self.asked.set()
            await self.before.wait()
            found = await ask(user)
            self.read.set()
            await self.behind.wait()
            return found

        return held

    async def connect(self) -> None:
        def prepare() -> Person:
            ada = User.objects.create(username="ada")
            old = timezone.now() - timedelta(minutes=5)
            for slug, head in (("empty", 0), ("old", 3), ("talk", 3)):
                room = Room.objects.create(slug=slug, head=head, last_at=old if head else None)
                Membership.objects.create(room=room, user=ada, last_read_seq=min(head, 2))
            return Person(ada.id, "ada")

        self.person = await database.run(prepare)
        socket: Any = Socket(self.hub, self.person, "token:1", self.frames)  # type: ignore[arg-type]
        socket.dialect = NativeDialect(socket, "")
        await self.hub.register(socket)
        await self.asked.wait()

    async def write(self) -> None:
        """Store a message of another process, which this one does not hear of."""
        await database.run(lambda: Room.objects.filter(slug="talk").update(head=4, last_at=timezone.now()))

    async def watched(self) -> None:
        async with asyncio.timeout(10):
            while not all(room.watchers for room in self.hub.registry.rooms.values()) or len(self.hub.registry.rooms) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@pytest.fixture
async def comer(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Comer]:
    made = Comer(monkeypatch)
    await made.connect()
    yield made
    await asyncio.gather(*(database.run(close_old_connections) for _ in range(8)))


async def test_message_before_the_rooms_are_read_is_announced(comer: Comer) -> None:
    await comer.write()
    comer.before.set()
    comer.behind.set()
    await comer.watched()
    assert comer.frames.unread == [("talk", 4, 2)]


async def test_message_before_the_rooms_are_watched_is_announced(comer: Comer) -> None:
    comer.before.set()
    await comer.read.wait()
    await comer.write()
    comer.behind.set()
    await comer.watched()
    assert comer.frames.unread == [("talk", 4, 2)]


async def test_older_messages_are_not_announced_again(comer: Comer) -> None:
    comer.before.set()
    comer.behind.set()
    await comer.watched()
    assert comer.frames.unread == []
