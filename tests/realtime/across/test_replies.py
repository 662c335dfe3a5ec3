"""Replies and mentions on two processes are counted once.

This holds when the process that committed them died, and when Redis was away.
"""

import asyncio

import httpx

from tests.realtime.across.conftest import Circle
from tests.support.api import with_token
from tests.support.chat_client import Frame


async def counted(circle: Circle) -> tuple[int, int]:
    """Return Bob's unread messages of the room, and how many of them name him.

    The second process counts them.
    """
    async with with_token(circle.pair.two.base_url, circle.bob) as http:
        found = (await http.get(f"/api/rooms/{circle.room}")).json()
        return found["unread"], found["mentions"]


async def invited(circle: Circle) -> None:
    async with with_token(circle.pair.one.base_url, circle.ada) as http:
        answer = await http.post(f"/api/rooms/{circle.room}/members", json={"user": circle.bob.id})
        assert answer.status_code == httpx.codes.CREATED


async def test_mention_is_counted_when_its_process_died(circle: Circle) -> None:
    await invited(circle)
    here, there = await circle.here(), await circle.there(join=False)
    await here.send(circle.room, f"hello @{circle.bob.name}")
    assert (await there.expect("unread", head=1))["mentions"] == 1
    circle.pair.redis.stop()  # no layer carries the next commits
    try:
        await here.send(circle.room, f"still there, @{circle.bob.name}?")
        circle.pair.one.kill()
        unread: Frame = await there.expect("unread", head=2, timeout=10)
        assert (unread["count"], unread["mentions"]) == (2, 2)
        assert await counted(circle) == (2, 2)
    finally:
        circle.pair.redis.start()
        circle.pair.one.start()
    again = await circle.here()
    await again.send(circle.room, "nobody in particular")
    assert (await there.expect("unread", head=3))["mentions"] == 2
    await there.request("read", room=circle.room, upto=3)
    assert await counted(circle) == (0, 0)


async def test_reply_arrives_whole_without_redis(circle: Circle) -> None:
    here, there = await circle.here(), await circle.there()
    await here.send(circle.room, "shall we?")
    await there.expect("message", seq=1)
    circle.pair.redis.stop()
    try:
        reply: Frame = {"room": circle.room, "text": "yes", "reply_to": 1, "key": "r"}
        first, again = await asyncio.gather(there.request("message.send", **reply), there.request("message.send", **reply))
        assert first["seq"] == again["seq"]
        event = await here.expect("message", text="yes", timeout=10)
        assert event["reply_to"] == {"seq": 1, "from": {"id": circle.ada.id, "name": circle.ada.name}, "text": "shall we?"}
    finally:
        circle.pair.redis.start()
    await here.expect_nothing("message", text="yes")
