"""The greeting is the first frame of a socket."""

import json

import pytest

from realtime.dialects.native import NativeDialect
from realtime.events import Person
from realtime.send_queue import Batch
from realtime.socket import Socket
from tests.realtime.test_presence_model import Seen, World

pytestmark = pytest.mark.once


class Types(Seen):
    """A send queue that records the types of all frames."""

    def __init__(self) -> None:
        super().__init__()
        self.types: list[str] = []

    def push(self, batch: Batch) -> bool:
        self.types += [json.loads(text)["type"] for text in batch.texts]
        return True


async def test_greeting_comes_before_news_of_the_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's first socket waits for the layer.

    Frames for the person may come meanwhile.
    """
    hub, queue = World(monkeypatch).hubs[0], Types()
    socket = Socket(hub, Person(1, "user-1"), "", queue)
    socket.dialect = NativeDialect(socket, "")

    async def subscribe(_groups: list[str]) -> None:
        hub.registry.people[1].push(Batch(['{"type":"room.added"}']))

    monkeypatch.setattr(hub.bus, "subscribe", subscribe)
    await hub.register(socket)
    await socket.dialect.open()
    assert queue.types == ["hello", "room.added"]
