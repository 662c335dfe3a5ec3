"""Our layer under faults of Redis: bounded, self-healing, no silent loss."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from realtime.layer.redis_layer import Listener, RedisLayer
from realtime.layer.redis_shard import HOLD_S
from tests.support.services import Redis

GROUP = "room.1"


class Ear:
    """Listens to one group like the hub of a process."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self.heard: list[int] = []
        self.reads: list[int] = []
        self.restored = 0
        layer.listen("ear", Listener(self._messages, self._restored))

    def _messages(self, payloads: list[bytes]) -> None:
        numbers = [self.layer.deserialize(payload)["number"] for payload in payloads]
        self.heard += numbers
        self.reads.append(len(numbers))

    def _restored(self) -> None:
        self.restored += 1

    async def join(self, *groups: str) -> None:
        waiting = self.layer.add_soon(groups or (GROUP,), "ear")
        _, late = await asyncio.wait(waiting, timeout=5)
        assert not late


async def until(condition: Callable[[], bool], *, within: float = 5.0) -> float:
    """Wait until a condition is true; return the seconds."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < within
        await asyncio.sleep(0.01)
    return time.monotonic() - started


@asynccontextmanager
async def layer_of(*urls: str) -> AsyncIterator[Any]:
    layer = RedisLayer(hosts=list(urls), prefix="test:")
    try:
        yield layer
    finally:
        await layer.flush()


@pytest.fixture
async def mouth(redis: Redis) -> AsyncIterator[Any]:
    async with layer_of(redis.url) as layer:
        yield layer


@pytest.fixture
async def ear(redis: Redis) -> AsyncIterator[Ear]:
    async with layer_of(redis.url) as layer:
        ear = Ear(layer)
        await ear.join()
        yield ear


def say(mouth: Any, *numbers: int, group: str = GROUP) -> list[bool]:
    return [mouth.publish_soon(group, {"number": number}) for number in numbers]


async def test_batch_is_received_whole_and_in_order(mouth: Any, ear: Ear) -> None:
    say(mouth, 0)
    await until(lambda: ear.heard == [0])
    ear.reads.clear()
    assert all(say(mouth, *range(1, 1001)))
    await until(lambda: len(ear.heard) == 1001)
    assert ear.heard == list(range(1001))
    assert len(ear.reads) < 100


async def test_messages_before_the_connection_are_sent_later(redis: Redis, ear: Ear) -> None:
    async with layer_of(redis.url) as early:
        assert all(say(early, 1, 2))
        await until(lambda: ear.heard == [1, 2])


async def test_cut_connections_return_and_the_hub_is_notified(redis: Redis, mouth: Any, ear: Ear) -> None:
    say(mouth, 1)
    await until(lambda: ear.heard == [1])
    with redis.client() as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    assert await until(lambda: ear.restored == 1) < 2
    say(mouth, 2)
    await until(lambda: ear.heard == [1, 2])


async def test_cut_of_the_publisher_alone_loses_nothing(redis: Redis, mouth: Any, ear: Ear) -> None:
    say(mouth, 0)
    await until(lambda: ear.heard == [0])
    for number in range(1, 200):
        say(mouth, number)
        if number % 50 == 0:
            with redis.client() as client:
                client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await asyncio.sleep(0.005)
    await until(lambda: set(ear.heard) == set(range(200)))
    assert ear.restored == 0


async def test_layer_survives_a_restart_of_redis(redis: Redis, mouth: Any, ear: Ear) -> None:
    say(mouth, 1)
    await until(lambda: ear.heard == [1])
    redis.stop()
    await until(lambda: not mouth.healthy and not ear.layer.healthy)
    assert say(mouth, 2) == [True]  # kept: Redis may be back soon
    redis.start()
    assert await until(lambda: ear.restored == 1) < 3
    await until(lambda: mouth.healthy)
    say(mouth, 3)
    await until(lambda: 3 in ear.heard)


async def test_hanging_redis_is_left_and_found_again(redis: Redis, mouth: Any, ear: Ear) -> None:
    say(mouth, 1)
    await until(lambda: ear.heard == [1])
    redis.freeze()
    try:
        await until(lambda: not mouth.healthy and not ear.layer.healthy, within=8)
        with pytest.raises(TimeoutError):
            await mouth.group_send(GROUP, {"number": 0})
    finally:
        redis.thaw()
    await until(lambda: ear.restored >= 1 and mouth.healthy, within=8)
    say(mouth, 2)
    await until(lambda: 2 in ear.heard)


async def test_queue_for_an_absent_redis_is_bounded(redis: Redis, mouth: Any, ear: Ear) -> None:
    say(mouth, 1)
    await until(lambda: ear.heard == [1])
    redis.stop()
    try:
        await until(lambda: not mouth.healthy)
        big = {"number": 0, "text": "x" * 1_000_000}
        assert [mouth.publish_soon(GROUP, big) for _ in range(20)].count(True) == 16
        await asyncio.sleep(HOLD_S + 0.1)
        assert mouth.publish_soon(GROUP, {"number": 2})  # expired messages have freed their space
    finally:
        redis.start()
    await until(lambda: mouth.healthy and ear.restored == 1)
    say(mouth, 3)
    await until(lambda: 3 in ear.heard)
    assert 0 not in ear.heard  # the others have expired


async def test_subscriptions_end_as_last_requested(mouth: Any, ear: Ear) -> None:
    ear.layer.discard_soon(GROUP, "ear")
    waiting = ear.layer.add_soon([GROUP], "ear")
    ear.layer.discard_soon(GROUP, "ear")
    waiting += ear.layer.add_soon([GROUP], "ear")
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    say(mouth, 1)
    await until(lambda: ear.heard == [1])
    ear.layer.discard_soon(GROUP, "ear")
    await ear.join("room.2")
    say(mouth, 2)
    say(mouth, 3, group="room.2")
    await until(lambda: ear.heard == [1, 3])


async def test_thousands_of_groups_are_joined_again_after_a_cut(redis: Redis, mouth: Any, ear: Ear) -> None:
    groups = [f"room.{number}" for number in range(20_000)]
    started = time.monotonic()
    await ear.join(*groups)
    assert time.monotonic() - started < 5
    with redis.client() as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    await until(lambda: ear.restored == 1)
    for number in (0, 9_999, 19_999):
        say(mouth, number, group=f"room.{number}")
    await until(lambda: sorted(ear.heard) == [0, 9_999, 19_999])


async def test_shards_share_the_groups_and_fail_alone(redis: Redis) -> None:
    with Redis() as second:
        async with layer_of(redis.url, second.url) as mouth, layer_of(redis.url, second.url) as other:
            ear = Ear(other)
            groups = [f"room.{number}" for number in range(40)]
            await ear.join(*groups)
            for number, group in enumerate(groups):
                say(mouth, number, group=group)
            await until(lambda: sorted(ear.heard) == list(range(40)))
            with redis.client() as client:
                here = len(client.pubsub_channels("*__group__*"))
            assert 5 < here < 35
            second.stop()
            await until(lambda: not mouth.healthy)
            ear.heard.clear()
            for number, group in enumerate(groups):
                say(mouth, number, group=group)
            await until(lambda: len(ear.heard) == here)
            second.start()
            await until(lambda: mouth.healthy and ear.restored == 1)
            for number, group in enumerate(groups):
                say(mouth, number, group=group)
            await until(lambda: set(ear.heard) == set(range(40)))


async def test_refusal_reaches_the_waiting_caller(redis: Redis, mouth: Any) -> None:
    await mouth.group_send(GROUP, {"number": 1})
    with redis.client() as client:
        client.execute_command("ACL", "SETUSER", "mute", "on", ">secret", "+@all", "~*", "resetchannels")
    async with layer_of(f"redis://mute:secret@127.0.0.1:{redis.port}/0") as mute:
        with pytest.raises(Exception, match=r"NOPERM|[Nn]o permissions"):
            await mute.group_send(GROUP, {"number": 1})


async def test_refused_ping_does_not_answer_a_publish(redis: Redis, ear: Ear) -> None:
    with redis.client() as client:
        client.execute_command("ACL", "SETUSER", "pingless", "on", ">secret", "+@all", "-ping", "~*", "&*")

        def connections() -> set[str]:
            return {one["id"] for one in client.client_list() if one["user"] == "pingless"}

        def refused() -> int:
            stats = client.info("errorstats")
            return int(stats.get("errorstat_NOPERM", {}).get("count", 0))

        async with layer_of(f"redis://pingless:secret@127.0.0.1:{redis.port}/0") as mouth:
            await mouth.group_send(GROUP, {"number": 0})
            await until(lambda: bool(mouth.healthy))
            before, pings = connections(), refused()
            # Two connections, each with a ping a second while idle.
            await until(lambda: refused() >= pings + 4, within=30)
            for number in range(1, 101):
                await mouth.group_send(GROUP, {"number": number})
            await until(lambda: ear.heard == list(range(101)))
            assert len(before) == 2
            assert connections() == before


def test_connections_cut_at_any_moment_return(redis: Redis) -> None:
    """On uvloop, as in production.

    Its transports raise in places where asyncio's do not.
    """

    async def main() -> None:
        async with layer_of(redis.url) as layer:
            ear = Ear(layer)
            await ear.join()
            with redis.client() as client:
                for number in range(100):
                    say(layer, *range(number % 8))
                    await asyncio.sleep(random.choice([0, 0.001, 0.01, 0.05]))
                    client.execute_command("CLIENT", "KILL", "TYPE", random.choice(["pubsub", "normal"]), "SKIPME", "yes")
            await until(lambda: bool(layer.healthy))
            await ear.join()
            say(layer, 1_000)
            await until(lambda: 1_000 in ear.heard)

    uvloop.run(main())
