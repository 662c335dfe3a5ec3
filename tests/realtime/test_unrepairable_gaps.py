"""Clients read an unrepairable gap by themselves, in their dialect."""

import asyncio
import json
from typing import Any

import pytest

from core.limits import LIMITS
from realtime.dialects.base import Dialect
from realtime.dialects.infra import InfraDialect
from realtime.dialects.native import NativeDialect
from realtime.dialects.room_lines import RoomDialect
from realtime.events import Head, Person, RoomRef
from realtime.hub import Hub
from realtime.live_room import LiveRoom
from realtime.repair import Gap
from realtime.send_queue import AsgiSendQueue
from realtime.socket import Socket

pytestmark = pytest.mark.once

REF = RoomRef(7, "room", direct=False)
LAST = 5


class Peer:
    """A joined socket and its client's frames."""

    def __init__(self, hub: Hub, room: LiveRoom, dialect: type[Dialect]) -> None:
        self.got: list[dict[str, Any]] = []
        self.socket = Socket(hub, Person(1, "ada"), "", AsgiSendQueue(self._send))
        self.socket.dialect = dialect(self.socket, "room")
        hub.attach(self.socket, room, LAST)

    async def _send(self, message: dict[str, Any]) -> None:
        frame = json.loads(message["text"]) if message["type"] == "websocket.send" else {"close": message["code"]}
        if frame.get("type") != "presence":
            self.got.append(frame)


async def too_far_behind(hub: Hub, room: LiveRoom) -> None:
    hub.repair._soon(room, Gap("poll", LAST + LIMITS.held_events + 1, 0.0))
    assert hub.repair._task is not None
    await hub.repair._task
    assert room.last_seq == LAST + LIMITS.held_events + 1


async def the_log_went_back(hub: Hub, room: LiveRoom) -> None:
    hub.repair._find_losses({REF.id: Head(LAST - 2)}, {REF.id: LAST})
    assert room.last_seq == LAST - 2


@pytest.mark.parametrize("what_happens", [too_far_behind, the_log_went_back])
async def test_native_gets_gap_and_other_dialects_a_close(what_happens: Any) -> None:
    hub = Hub()
    room = hub.registry.rooms[REF.id] = LiveRoom(REF)
    room.skip_to(Head(LAST))
    room.opened.set()
    native, plain, infra = (Peer(hub, room, dialect) for dialect in (NativeDialect, RoomDialect, InfraDialect))
    await what_happens(hub, room)
    async with asyncio.timeout(20):
        await asyncio.gather(*(peer.socket.closing for peer in (plain, infra) if peer.socket.closing is not None))
        while not native.got:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert native.got == [{"type": "gap", "room": "room", "head": room.last_seq}]
    assert plain.got == infra.got == [{"close": 1012}]
    assert native.socket.closing is None
    assert native.socket.rooms == {}, "the client rejoins by itself"
