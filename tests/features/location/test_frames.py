"""/ws/: location.share, location.update, location.stop, and who sees what."""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.conftest import Connect
from tests.support.api import with_token
from tests.support.chat_client import Account, ChatClient, Frame, Refused
from tests.support.server import Server

HERE = {"latitude": 52.520123, "longitude": 13.404954}
# The server ends what is due, and what belongs to people who are gone, within about two seconds.
SOON_S = 10.0


async def share(chat: ChatClient, room: str, seconds: int = 900, **fields: Any) -> Frame:
    frame: dict[str, Any] = {"room": room, "seconds": seconds, "key": secrets.token_hex(8)} | fields
    return await chat.request("location.share", **frame)


async def stop(chat: ChatClient, room: str, target: int) -> Frame:
    return await chat.request("location.stop", room=room, target=target, key=secrets.token_hex(8))


async def place(chat: ChatClient, timeout: float = 5.0) -> Frame:
    """Return the next value of the topic."""
    frame = await chat.expect("live", topic="location", timeout=timeout)
    assert set(frame) == {"type", "room", "topic", "values"}
    (value,) = frame["values"]
    assert set(value) == {"key", "from", "value", "at", "expires"}
    found: Frame = value
    return found


async def code(chat: ChatClient, type_: str, **fields: Any) -> str:
    with pytest.raises(Refused) as refused:
        await chat.request(type_, **fields)
    return refused.value.code


async def test_share_is_an_event_and_a_place_is_not(connect: Connect, ada: Account, bob: Account, room: str) -> None:
    mine, theirs, unjoined = await connect(ada), await connect(bob), await connect(bob)
    await mine.join(room)
    await theirs.join(room)
    begun = datetime.now(UTC)
    stored = await share(mine, room)
    assert {"type": "stored", "room": room, "seq": 1, "duplicate": False}.items() <= stored.items()
    event = await theirs.expect("location")
    until = datetime.fromisoformat(event.pop("until"))
    assert timedelta(seconds=890) < until - begun < timedelta(seconds=910)
    sender = {"id": ada.id, "name": ada.name}
    assert event == {"type": "location", "room": room, "seq": 1, "from": sender, "at": stored["at"], "ended": False}

    assert (await mine.request("location.update", room=room, **HERE))["type"] == "ok"
    value = await place(theirs)
    assert (value["key"], value["from"]) == ("1", sender)
    assert value["value"] == HERE | {"accuracy": None}
    assert abs(datetime.fromisoformat(value["expires"]) - until) < timedelta(seconds=1)
    late = await connect(bob)
    assert (await late.join(room))["head"] == 1
    assert (await place(late))["value"] == value["value"]
    await unjoined.expect_nothing("live")

    assert (await stop(mine, room, 1))["seq"] == 2
    for chat in (theirs, late):
        ended = await chat.expect("location.ended")
        assert ended["target"] == 1
        assert ended["state"]["ended"] is True
        assert (await place(chat))["value"] is None
    assert await code(mine, "location.update", room=room, **HERE) == "closed"
    after = await connect(bob)
    assert (await after.join(room))["events"][0]["ended"] is True
    await after.expect_nothing("live")


async def test_last_of_many_places_arrives_and_one_a_second(connect: Connect, ada: Account, bob: Account, room: str) -> None:
    mine, theirs = await connect(ada), await connect(bob)
    await theirs.join(room)
    await share(mine, room)
    # More than three seconds: a burst alone would not tell one a second from four.
    for number in range(60):
        await mine.request("location.update", room=room, latitude=number, longitude=0.0, accuracy=5)
        await asyncio.sleep(0.05)
    seen = [await place(theirs)]
    while seen[-1]["value"]["latitude"] != 59:
        seen.append(await place(theirs))
    first, last = (datetime.fromisoformat(value["at"]) for value in (seen[0], seen[-1]))
    assert last - first > timedelta(seconds=2)
    assert len(seen) <= (last - first).total_seconds() + 2
    assert seen[-1]["value"]["accuracy"] == 5


@pytest.mark.parametrize(
    "fields",
    [
        {"latitude": 90.1, "longitude": 0},
        {"latitude": -90.1, "longitude": 0},
        {"latitude": 0, "longitude": 180.1},
        {"latitude": 0, "longitude": -181},
        {"latitude": 0},
        {"latitude": "1", "longitude": 0},
        {"latitude": None, "longitude": 0},
        {"latitude": 0, "longitude": 0, "accuracy": -1},
        {"latitude": float("nan"), "longitude": 0},
        {"latitude": 0, "longitude": float("inf")},
    ],
    ids=str,
)
async def test_impossible_place_is_refused(connect: Connect, ada: Account, room: str, fields: Frame) -> None:
    mine = await connect(ada)
    if any(value != value or value == float("inf") for value in fields.values() if isinstance(value, float)):  # noqa: PLR0124
        await mine.push("location.update", room=room, **fields)
        await mine.expect_error("bad_json")
    else:
        assert await code(mine, "location.update", room=room, **fields) == "bad_frame"


async def test_refusals_name_their_reason(connect: Connect, server: Server, ada: Account, bob: Account, room: str) -> None:
    mine, theirs = await connect(ada), await connect(bob)
    assert await code(mine, "location.update", room=room, **HERE) == "closed"
    for kind, fields in (("share", {"seconds": 60, "key": "k"}), ("update", HERE), ("stop", {"target": 1, "key": "k"})):
        assert await code(theirs, f"location.{kind}", room=room, **fields) == "not_a_member"
        assert await code(theirs, f"location.{kind}", room="no-such-room-at-all", **fields) == "no_such_room"
    for seconds in (-1, 86_401, 1.5):
        assert await code(mine, "location.share", room=room, key="k", seconds=seconds) == "bad_frame"
    await theirs.join(room)
    seq = (await share(mine, room, 0))["seq"]
    assert await code(theirs, "location.stop", room=room, target=seq, key="k") == "forbidden"
    assert await code(theirs, "location.stop", room=room, target=99, key="k") == "no_such_target"
    assert await code(theirs, "location.update", room=room, **HERE) == "closed"
    await stop(mine, room, seq)
    assert await code(mine, "location.stop", room=room, target=seq, key="other") == "closed"


async def test_same_key_begins_one_share_and_a_new_one_ends_it(connect: Connect, ada: Account, bob: Account, room: str) -> None:
    mine, theirs = await connect(ada), await connect(bob)
    await theirs.join(room)
    first = await share(mine, room, key="k")
    again = await share(mine, room, key="k")
    assert (again["seq"], again["duplicate"]) == (first["seq"], True)
    await mine.request("location.update", room=room, **HERE)
    assert (await place(theirs))["key"] == str(first["seq"])
    second = await share(mine, room, key="l")
    ended = await theirs.expect("location.ended")
    assert ended["target"] == first["seq"]
    gone = await place(theirs)
    assert (gone["key"], gone["value"]) == (str(first["seq"]), None)
    await mine.request("location.update", room=room, **HERE)
    assert (await place(theirs))["key"] == str(second["seq"])
    assert (await share(mine, room, key="k"))["duplicate"] is True
    await theirs.expect_nothing("location.ended", seconds=1)


async def test_share_ends_by_itself_and_resume_shows_it(connect: Connect, ada: Account, bob: Account, room: str) -> None:
    mine, theirs, away = await connect(ada), await connect(bob), await connect(bob)
    await theirs.join(room)
    await away.join(room)
    await share(mine, room, 2)
    await mine.request("location.update", room=room, **HERE)
    assert (await place(away))["value"]["latitude"] == HERE["latitude"]
    await away.leave(room)
    assert (await theirs.expect("location.ended", timeout=SOON_S))["state"]["ended"] is True
    events = (await away.join(room, after=0))["events"]
    assert [event["type"] for event in events] == ["location", "location.ended"]
    assert events[0]["ended"] is True
    await away.expect_nothing("live")
    assert await code(mine, "location.update", room=room, **HERE) == "closed"


@pytest.mark.parametrize("how", ["leaves", "is removed"])
async def test_share_ends_when_its_person_is_gone(
    connect: Connect, server: Server, ada: Account, bob: Account, room: str, how: str
) -> None:
    owner, theirs = await connect(ada), await connect(bob)
    await owner.join(room)
    await theirs.join(room)
    seq = (await share(theirs, room))["seq"]
    await theirs.request("location.update", room=room, **HERE)
    assert (await place(owner))["value"] is not None
    await theirs.send(room, "the server's key has a namespace of its own", key=f"location.ended:{seq}")
    async with with_token(server.base_url, bob if how == "leaves" else ada) as http:
        answer = await http.delete(f"/api/rooms/{room}/members/{bob.id}")
    assert answer.status_code == httpx.codes.NO_CONTENT
    await theirs.expect("room.left", timeout=SOON_S)  # another process may have answered
    assert await code(theirs, "location.update", room=room, **HERE) == "not_a_member"
    ended = await owner.expect("location.ended", timeout=SOON_S)
    assert ended["from"]["id"] == bob.id
    assert (await place(owner))["value"] is None


async def test_place_is_in_no_table_and_no_log(connect: Connect, server: Server, ada: Account, room: str) -> None:
    mine = await connect(ada)
    await mine.join(room)
    seq = (await share(mine, room))["seq"]
    await mine.request("location.update", room=room, latitude=12.34567, longitude=-76.54321)
    await place(mine)
    await stop(mine, room, seq)
    async with with_token(server.base_url, ada) as http:
        events = (await http.get(f"/api/rooms/{room}/messages")).text
    tables = server.shell("from django.apps import apps; print([list(model.objects.values()) for model in apps.get_models()])")
    assert ada.name in tables
    for text in (events, server.log, tables):
        assert "12.34567" not in text
        assert "76.54321" not in text
    async with asyncio.timeout(5):  # Redis is written in the background
        while any("12.34567" in text for text in stored_values(server)):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


def stored_values(server: Server) -> list[str]:
    """Return the texts of all live values in Redis."""
    client: Any = server.redis.client() if server.redis else None
    if client is None:
        return []
    return [member.decode() for name in client.scan_iter("*live:*") for member in client.zrange(name, 0, -1)]
