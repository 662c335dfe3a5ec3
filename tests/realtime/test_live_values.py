"""Live values on one process: rate, last value, late joiners, ends, bounds."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from typing import Any

import httpx
import pytest

from tests.support.chat_client import Account, ChatClient, Refused, create_room, sign_up
from tests.support.profile import Profile
from tests.support.samples import SAMPLES
from tests.support.samples.positions.feature import KEYS, PER_S
from tests.support.server import Server


@pytest.fixture(scope="module")
def sampled(profile: Profile) -> Iterator[Server]:
    """A server of one process with the samples."""
    with ExitStack() as exits:
        server = Server(profile, SAMPLES | {"WEB_CONCURRENCY": "1", "LIMIT_MESSAGES_PER_S": "0"})
        exits.callback(server.close)
        server.start()
        yield server


class Circle:
    def __init__(self, server: Server, ada: Account, room: str, exits: AsyncExitStack) -> None:
        self.server, self.ada, self.room, self._exits = server, ada, room, exits

    async def join(self, account: Account | None = None) -> ChatClient:
        account = account or await sign_up(self.server.base_url)
        chat = await self._exits.enter_async_context(ChatClient(self.server.ws_url(), account))
        await chat.join(self.room)
        return chat


@pytest.fixture
async def circle(sampled: Server) -> AsyncIterator[Circle]:
    async with AsyncExitStack() as exits:
        ada = await sign_up(sampled.base_url)
        yield Circle(sampled, ada, await create_room(sampled.base_url, ada), exits)


async def put(chat: ChatClient, circle: Circle, key: str, value: Any, **fields: Any) -> None:
    await chat.request("position.put", room=circle.room, key=key, value=value, **fields)


async def until(chat: ChatClient, key: str, value: Any) -> list[dict[str, Any]]:
    """Read `live` frames until a key has a value; return the values of that key."""
    seen: list[dict[str, Any]] = []
    while not seen or seen[-1]["value"] != value:
        seen += [one for one in (await chat.expect("live"))["values"] if one["key"] == key]
    return seen


async def test_value_reaches_everybody_and_its_sender(circle: Circle) -> None:
    mine, theirs = await circle.join(circle.ada), await circle.join()
    await put(mine, circle, "a", {"x": 1})
    for chat in (mine, theirs):
        frame = await chat.expect("live")
        (one,) = frame["values"]
        assert set(frame) == {"type", "room", "topic", "values"}
        assert (frame["room"], frame["topic"]) == (circle.room, "position")
        assert set(one) == {"key", "from", "value", "at", "expires"}
        assert (one["key"], one["from"], one["value"]) == ("a", {"id": circle.ada.id, "name": circle.ada.name}, {"x": 1})


async def test_values_of_a_key_keep_to_the_rate_and_the_last_arrives(circle: Circle) -> None:
    mine, theirs = await circle.join(circle.ada), await circle.join()
    begun = time.monotonic()
    for number in range(60):
        await put(mine, circle, "a", number)
        await put(mine, circle, "b", number)
        await asyncio.sleep(0.01)
    seen = [one["value"] for one in await until(theirs, "a", 59)]
    assert seen == sorted(seen)
    assert len(seen) <= (time.monotonic() - begun) * PER_S + 2


async def test_newest_value_waits_for_who_joins_later(circle: Circle) -> None:
    mine = await circle.join(circle.ada)
    for number in range(3):
        await put(mine, circle, "a", number)
    await put(mine, circle, "b", 7)
    late = await circle.join()
    values = {one["key"]: one["value"] for one in (await late.expect("live"))["values"]}
    assert values == {"a": 2, "b": 7}


async def test_ended_value_is_sent_and_not_kept(circle: Circle) -> None:
    mine, theirs = await circle.join(circle.ada), await circle.join()
    await put(mine, circle, "a", 1)
    await until(theirs, "a", 1)
    await mine.request("position.end", room=circle.room, key="a")
    await until(theirs, "a", None)
    late = await circle.join()
    await late.expect_nothing("live")


async def test_value_expires(circle: Circle) -> None:
    mine = await circle.join(circle.ada)
    await put(mine, circle, "a", 1, keep_s=0.3)
    await asyncio.sleep(0.4)
    late = await circle.join()
    await late.expect_nothing("live")


async def test_more_keys_than_the_topic_has_are_refused(circle: Circle) -> None:
    mine = await circle.join(circle.ada)
    for number in range(KEYS):
        await put(mine, circle, f"k{number}", number)
    with pytest.raises(Refused, match="too_many"):
        await put(mine, circle, "one more", 0)
    await mine.request("position.end", room=circle.room, key="k0")
    await put(mine, circle, "one more", 0)
    await put(mine, circle, "k1", "known keys go on")


async def test_value_above_its_length_is_refused(circle: Circle) -> None:
    mine = await circle.join(circle.ada)
    with pytest.raises(Refused, match="too_long"):
        await put(mine, circle, "a", "x" * 16_384)


async def test_large_values_never_close_a_reader(circle: Circle) -> None:
    """Ten of the largest are sent in frames of a bounded size."""
    mine = await circle.join(circle.ada)
    for number in range(KEYS):
        await put(mine, circle, f"k{number}", f"{number}" * 16_000)
    late = await circle.join()
    seen: set[str] = set()
    while len(seen) < KEYS:
        frame = await late.expect("live")
        assert sum(len(one["value"]) for one in frame["values"]) < 70_000
        seen |= {one["key"] for one in frame["values"]}


async def test_values_are_counted_in_the_metrics(circle: Circle) -> None:
    mine = await circle.join(circle.ada)
    await put(mine, circle, "a", 1)
    await mine.expect("live")
    await asyncio.sleep(1.2)
    async with httpx.AsyncClient(base_url=circle.server.base_url) as http:
        text = (await http.get("/metrics")).text
    assert 'hubbub_live_values_total{step="published",topic="position"}' in text
