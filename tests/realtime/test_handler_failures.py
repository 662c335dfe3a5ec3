"""A handler that fails costs its own work only, and nothing is handled twice."""

import asyncio
from typing import Any

import pytest
from django.conf import settings
from prometheus_client import REGISTRY

from core.features import installed
from realtime.dialects.native import NativeDialect
from realtime.events import Head, LogEvent, Person, RoomRef
from realtime.hub import Hub
from realtime.listeners import Listeners
from realtime.live_room import LiveRoom
from realtime.send_queue import AsgiSendQueue
from realtime.socket import Socket

pytestmark = pytest.mark.once

REF = RoomRef(7, "room", direct=False)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    monkeypatch.setattr(settings, "REDIS_SHARDS", [])
    return Hub()


def failures(of: str) -> float:
    return REGISTRY.get_sample_value("hubbub_handler_failures_total", {"of": of}) or 0.0


def open_room(hub: Hub) -> LiveRoom:
    room = hub.registry.rooms[REF.id] = LiveRoom(REF)
    room.skip_to(Head(0))
    room.opened.set()
    return room


def event(seq: int) -> LogEvent:
    return LogEvent(seq, f'{{"type":"message","room":"room","seq":{seq}}}', 1, f"k{seq}")


async def test_message_beside_a_failed_one_is_handled_once(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []

    def on_message(message: dict[str, Any]) -> None:
        heard.append(message["topic"])
        if message["topic"] == "bad":
            raise RuntimeError

    monkeypatch.setattr(hub.live, "on_message", on_message)
    room, before = open_room(hub), failures("layer")
    log = {"kind": "log", "room": REF, "origin": "two"}
    hub.bus.arrived(
        [
            *({"kind": "live", "topic": topic, "origin": "two"} for topic in ("one", "bad", "two")),
            log | {"events": [(1, "too few")]},
            log | {"events": [event(1)[:4]]},
            {"kind": "of a later release", "origin": "two", "user": 0},
        ]
    )
    assert heard == ["one", "bad", "two"]
    assert room.last_seq == 1
    assert failures("layer") == before + 2


async def test_failed_delivery_sends_clients_back_to_the_log(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    room, sent = open_room(hub), list[str]()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message.get("text", ""))

    socket = Socket(hub, Person(1, "ada"), "", AsgiSendQueue(send))
    socket.dialect = NativeDialect(socket, "room")
    hub.attach(socket, room, 0)

    def fail(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(LiveRoom, "_push_all", fail)
    hub.publish_log(REF, [event(1)])
    async with asyncio.timeout(5):
        while not any('"gap"' in text for text in sent):  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert socket.rooms == {}, "the client rejoins by itself"


async def test_failing_listener_is_left_out(hub: Hub) -> None:
    heard: list[str] = []

    def fail(*_: Any) -> None:
        raise RuntimeError

    listeners, before = Listeners(), failures("listener")
    listeners._of_all = [("bad", fail), ("good", lambda room, _events, _watchers: heard.append(room.slug))]
    listeners._of_kind = {"message": fail}
    listeners._of_people = [fail, lambda _user, frame: heard.append(frame["type"])]
    listeners.watched(REF, [event(1)], set())
    listeners.delivered(REF, [event(1)])
    listeners.signalled(1, '{"type":"signal"}')
    assert heard == ["room", "signal"]
    assert failures("listener") == before + 3


async def test_live_values_go_on_after_a_failed_sending(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    open_room(hub)
    sent: list[Any] = []

    def to_sockets(_found: Any, values: list[Any]) -> None:
        sent.extend(one.value for one in values)
        if sent == [1]:
            raise RuntimeError

    monkeypatch.setattr(hub.live, "_to_sockets", to_sockets)
    topic = next(iter(installed().topics))
    found = hub.live._topic(REF, installed().topics[topic])
    hub.live.publish(REF, topic, "a", 1, sender=Person(1, "ada"))
    hub.live._send(found)
    monkeypatch.setattr(found, "take_due", lambda _now: [])
    hub.live.publish(REF, topic, "a", 2, sender=Person(1, "ada"))
    hub.live._send(found)
    assert found in hub.live._timers, "the second value is sent in its time"
