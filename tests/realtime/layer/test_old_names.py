"""A roll from a release without installation ids in Redis."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from realtime.layer.redis_layer import Listener, RedisLayer
from tests.conftest import StartServer
from tests.realtime.layer.test_faults import until
from tests.support.chat_client import ChatClient, sign_up
from tests.support.services import Redis

SOON_S = 8.0
SILENT_S = 1.5
OLD = ("0123456789abcdef", "feedfacefeedface")
AT = "2026-01-01T00:00:00.000Z"
GONE = "the processes of the release before are gone"
HERE = "processes of the release before are here"


class OldProcess:
    """The messages, subscriptions and Redis entries of a process of that release."""

    def __init__(self, redis: Redis, name: str) -> None:
        self.redis, self.name, self.heard = redis, name, list[Any]()
        self.layer: Any = RedisLayer(hosts=[redis.url], prefix="hubbub:")
        self.layer.listen("old", Listener(self._messages, lambda: None))
        self.layer.add_soon(["room.1"], "old")

    def _messages(self, payloads: list[bytes]) -> None:
        messages = map(self.layer.deserialize, payloads)
        self.heard += [event for message in messages if message["origin"] not in OLD for event in message["events"]]

    def lease(self, *, seconds: float) -> None:
        with self.redis.client() as client:
            client.zadd("presence:alive", {self.name: time.time() + seconds})

    def say(self, seq: int, text: str) -> None:
        """Publish a message to the lobby, like after a commit."""
        frame = {"type": "message", "room": "lobby", "seq": seq, "from": {"id": 99, "name": "eve"}, "text": text, "at": AT}
        event = [seq, json.dumps(frame), 99, f"key-{seq}"]
        message = {"type": "hub", "origin": self.name, "kind": "log", "room": [1, "lobby", False], "events": [event]}
        self.layer.publish_soon("room.1", message)


@pytest.fixture
async def old(redis: Redis) -> AsyncIterator[OldProcess]:
    process = OldProcess(redis, OLD[0])
    yield process
    await process.layer.flush()


async def test_rooms_work_across_releases_during_a_roll(old: OldProcess, redis: Redis, start_server: StartServer) -> None:
    server = start_server(REDIS_URL=redis.url, WEB_CONCURRENCY="1")  # each worker finds the old ones by itself
    stranger = OldProcess(redis, OLD[1])  # of another installation: its lease is in another database
    ada = await sign_up(server.base_url)
    async with ChatClient(server.ws_url(), ada) as chat:
        await chat.join("lobby")
        await chat.send("lobby", "before the roll")
        old.say(2, "unbelieved")
        await chat.expect_nothing("message", seconds=SILENT_S, text="unbelieved")
        assert old.heard == [], "its names are used only while a process of that release runs"
        old.lease(seconds=60)
        await until(lambda: HERE in server.log, within=SOON_S)
        sent = await chat.send("lobby", "to the old")
        await until(lambda: [event[0] for event in old.heard] == [sent["seq"]], within=SOON_S)
        stranger.say(sent["seq"] + 1, "of strangers")
        await chat.expect_nothing("message", seconds=SILENT_S, text="of strangers")
        old.say(sent["seq"] + 1, "from the old")
        await chat.expect("message", text="from the old")
        old.lease(seconds=-1)
        await until(lambda: GONE in server.log, within=SOON_S)
        with redis.client() as client:  # only the two old ones are left
            await until(lambda: client.pubsub_numsub("hubbub:__group__room.1") == [(b"hubbub:__group__room.1", 2)], within=SOON_S)
    await stranger.layer.flush()
