"""Sensors over the socket, HTTP and the simple dialect."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from features.sensors.alarms import EVERY_S
from tests.conftest import Connect, StartServer
from tests.docs.contract import matching
from tests.support.api import assert_problem, with_token
from tests.support.chat_client import Account, ChatClient, Frame, Refused, create_room, sign_up
from tests.support.plain_socket import PlainSocket
from tests.support.server import Server

# A silent sensor is noticed within about five seconds.
SOON_S = 15.0


@pytest.fixture
async def http(server: Server, ada: Account) -> AsyncIterator[httpx.AsyncClient]:
    async with with_token(server.base_url, ada) as client:
        yield client


def at(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


async def push(chat: ChatClient, room: str, *readings: tuple[Any, ...]) -> int:
    fields = [dict(zip(("sensor_id", "value", "at"), one, strict=False)) for one in readings]
    reply = await chat.request("sensor.push", room=room, readings=fields)
    assert reply["type"] == "ok"
    accepted: int = reply["accepted"]
    return accepted


async def series(http: httpx.AsyncClient, room: str, sensor: str, **query: Any) -> Frame:
    answer = await http.get(f"/api/rooms/{room}/sensors/{sensor}/series", params=query)
    assert answer.status_code == httpx.codes.OK, answer.text
    found: Frame = answer.json()
    return found


async def live(chat: ChatClient) -> tuple[str, float]:
    value = (await chat.expect("live", topic="sensor"))["values"][0]
    return value["key"], value["value"]["value"]


async def test_reading_is_stored_and_shown_live(
    connect: Connect, http: httpx.AsyncClient, ada: Account, bob: Account, room: str
) -> None:
    mine, theirs = await connect(ada), await connect(bob)
    await theirs.join(room)
    assert await push(mine, room, ("t1", 21.5)) == 1
    assert await live(theirs) == ("t1", 21.5)
    answer = await http.post(f"/api/rooms/{room}/sensors/readings", json={"readings": [{"sensor_id": "t1", "value": 22}]})
    assert (answer.status_code, answer.json()) == (httpx.codes.ACCEPTED, {"accepted": 1})
    assert await live(theirs) == ("t1", 22)
    found = await series(http, room, "t1")
    assert (found["sensor_id"], found["step"]) == ("t1", 0)
    assert [(one["value"], one["min"], one["max"]) for one in found["points"]] == [(21.5, 21.5, 21.5), (22, 22, 22)]
    listed = (await http.get(f"/api/rooms/{room}/sensors")).json()["sensors"]
    assert [(one["sensor_id"], one["value"], one["alarm"]) for one in listed] == [("t1", 22, None)]
    late = await connect(bob)
    await late.join(room)
    assert await live(late) == ("t1", 22)


@pytest.mark.parametrize("name", ["a/b", "a/series", "a/alarm", "readings", "/a", "a/b/", "a%2Fb", "..."])
async def test_sensor_of_any_name_has_a_history_and_an_alarm(
    connect: Connect, http: httpx.AsyncClient, ada: Account, room: str, name: str
) -> None:
    mine = await connect(ada)
    assert await push(mine, room, ("a", 1), (name, 2), ("a/series/b", 3)) == 3
    quoted = quote(name, safe="")
    found = await series(http, room, quoted)
    assert (found["sensor_id"], [one["value"] for one in found["points"]]) == (name, [2])
    sensors = f"/api/rooms/{room}/sensors"

    async def alarms() -> list[str]:
        return [one["sensor_id"] for one in (await http.get(sensors)).json()["sensors"] if one["alarm"]]

    for sensor in ("a", quoted):
        assert (await http.put(f"{sensors}/{sensor}/alarm", json={"above": 30})).status_code == httpx.codes.OK
    assert await alarms() == sorted(["a", name])
    assert (await http.delete(f"{sensors}/{quoted}/alarm")).status_code == httpx.codes.NO_CONTENT
    assert await alarms() == ["a"]
    assert (await http.delete(f"{sensors}/{quoted}")).status_code == httpx.codes.NO_CONTENT
    listed = (await http.get(sensors)).json()["sensors"]
    assert sorted(one["sensor_id"] for one in listed) == ["a", "a/series/b"]
    assert await alarms() == ["a"]


async def test_late_and_doubled_readings_are_stored_once_in_order(
    connect: Connect, http: httpx.AsyncClient, ada: Account, room: str
) -> None:
    mine = await connect(ada)
    await mine.join(room)
    first, second, third = at(-30), at(-20), at(-10)
    assert await push(mine, room, ("t1", 3, third)) == 1
    assert await live(mine) == ("t1", 3)
    assert await push(mine, room, ("t1", 2, second), ("t1", 1, first), ("t1", 9, second)) == 3
    assert await push(mine, room, ("t1", 8, third)) == 1
    await mine.expect_nothing("live")
    assert [one["value"] for one in (await series(http, room, "t1"))["points"]] == [1, 2, 3]
    minutes = (await series(http, room, "t1", points=2, **{"from": at(-40)}))["points"]
    assert (len(minutes) <= 2, min(one["min"] for one in minutes), max(one["max"] for one in minutes)) == (True, 1, 3)
    assert (await http.get(f"/api/rooms/{room}/sensors")).json()["sensors"][0]["value"] == 3
    assert await push(mine, room, ("t1", 1, at(90)), ("t1", 1, at(-8 * 86_400)), ("t1", 4, at(-5))) == 1


async def test_history_is_as_fine_as_the_points_allow(connect: Connect, http: httpx.AsyncClient, ada: Account, room: str) -> None:
    mine = await connect(ada)
    for begin in (0, 1_000):
        readings = [("t1", number, at(-number * 10)) for number in range(begin, begin + 1_000)]
        assert await push(mine, room, *readings) == 1_000
    whole = {"from": at(-30_000), "to": at(60)}
    raw = await series(http, room, "t1", points=2_000, **whole)
    assert (raw["step"], len(raw["points"])) == (0, 2_000)
    assert [one["at"] for one in raw["points"]] == sorted(one["at"] for one in raw["points"])
    for points, step in ((1_999, 60), (200, 180), (8, 7_200), (4, 10_800)):
        found = await series(http, room, "t1", points=points, **whole)
        assert found["step"] == step
        assert min(one["min"] for one in found["points"]) == 0
        assert max(one["max"] for one in found["points"]) == 1_999
        assert all(one["min"] <= one["value"] <= one["max"] for one in found["points"])


async def test_refusals_name_their_reason(connect: Connect, server: Server, ada: Account, room: str) -> None:
    mine, stranger = await connect(ada), await sign_up(server.base_url)
    theirs = await connect(stranger)

    async def code(chat: ChatClient, readings: Any, slug: str = room) -> str:
        with pytest.raises(Refused) as refused:
            await chat.request("sensor.push", room=slug, readings=readings)
        return refused.value.code

    good = [{"sensor_id": "t1", "value": 1}]
    assert await code(theirs, good) == "not_a_member"
    assert await code(mine, good, "no-such-room-at-all") == "no_such_room"
    for bad in ([], good * 1_001, [{"sensor_id": "", "value": 1}], [{"sensor_id": "t1"}], [{"sensor_id": "t1", "value": "1"}],
                [{"sensor_id": "x" * 65, "value": 1}], [{"sensor_id": "t1", "value": 1, "at": "yesterday"}],
                [{"sensor_id": "t1", "value": 1, "at": "2030-01-01T00:00:00"}]):  # fmt: skip
        assert await code(mine, bad) == "bad_frame"
    many = [{"sensor_id": f"s{number}", "value": 1} for number in range(201)]
    assert await code(mine, many) == "too_many"
    await mine.push("sensor.push", room=room, readings=[{"sensor_id": "t1", "value": float("nan")}])
    await mine.expect_error("bad_json")
    async with with_token(server.base_url, stranger) as http:
        for path in ("", "/t1/series"):
            assert_problem(await http.get(f"/api/rooms/{room}/sensors{path}"), 403, "not_a_member")
        assert_problem(await http.post(f"/api/rooms/{room}/sensors/readings", json={"readings": good}), 403, "not_a_member")
    async with with_token(server.base_url, ada) as http:
        assert_problem(await http.get(f"/api/rooms/{room}/sensors/none/series"), 404, "no_such_target")


async def test_deleted_sensor_is_made_again(connect: Connect, server: Server, ada: Account, room: str) -> None:
    mine = await connect(ada)
    assert await push(mine, room, ("t1", 1)) == 1
    await asyncio.to_thread(
        server.shell, f"from features.sensors.models import Sensor; Sensor.objects.filter(room__slug={room!r}).delete()"
    )
    assert await push(mine, room, ("t1", 2)) == 1


async def test_readings_of_a_deleted_room_fail_alone(connect: Connect, server: Server, ada: Account, room: str) -> None:
    """Pushes that arrive together share a transaction."""
    gone = await create_room(server.base_url, ada)
    mine, theirs = await connect(ada), await connect(ada)
    await mine.join(gone)
    await push(mine, gone, ("t1", 1))
    await push(mine, room, ("t1", 1))
    delete = (
        "from django.db import connection; cursor = connection.cursor();"
        "from rooms.models import Room; from features.sensors.models import Sensor;"
        f"room = Room.objects.get(slug={gone!r}); Sensor.objects.filter(room=room).delete(); room.delete()"
    )
    await asyncio.to_thread(server.shell, delete)
    outcomes = await asyncio.gather(push(mine, gone, ("t1", 2)), push(theirs, room, ("t1", 2)), return_exceptions=True)
    assert isinstance(outcomes[0], Refused)
    assert outcomes[1] == 1


async def test_alarm_posts_each_change_once(
    connect: Connect, http: httpx.AsyncClient, ada: Account, bob: Account, room: str
) -> None:
    mine, theirs = await connect(ada), await connect(bob)
    await theirs.join(room)
    await push(theirs, room, ("t1", 20))
    path = f"/api/rooms/{room}/sensors/t1/alarm"
    assert (await http.put(path, json={"hysteresis": 1})).status_code == httpx.codes.BAD_REQUEST
    answer = await http.put(path, json={"above": 30, "hysteresis": 2})
    assert answer.json()["alarm"] == {"above": 30, "below": None, "hysteresis": 2, "silent_s": None, "state": ""}
    assert (await http.put(f"/api/notifications/rooms/{room}", json={"level": "all"})).is_success
    await asyncio.sleep(2.5)  # each process reads the alarms every two seconds
    for value in (31, 29, 31, 32):
        await push(mine, room, ("t1", value))
    raised = await theirs.expect("message")
    assert (raised["text"], raised["from"]["id"], raised.get("bot")) == ("⚠️ t1 is 31, above 30.", ada.id, True)
    # The owner's socket receives the notification, too.
    assert (await mine.expect("notify", room=room))["target"] == raised["seq"]
    await push(mine, room, ("t1", 27))
    assert (await theirs.expect("message"))["text"] == "✅ t1 is 27: back to normal."
    await theirs.expect_nothing("message")
    assert (await http.delete(path)).status_code == httpx.codes.NO_CONTENT


async def test_alarm_speaks_the_language_of_the_page_that_set_it(
    connect: Connect, http: httpx.AsyncClient, ada: Account, room: str
) -> None:
    mine = await connect(ada)
    await mine.join(room)
    await push(mine, room, ("t1", 31.5))
    texts = []
    for rule in ({"above": 30}, {"above": 30, "silent_s": 9}):
        await http.put(f"/api/rooms/{room}/sensors/t1/alarm", json=rule, headers={"Accept-Language": "zh-CN,zh;q=0.9"})
        texts.append((await mine.expect("message", timeout=SOON_S))["text"])
    assert texts == ["⚠️ t1 为 31.5，高于 30。", "⚠️ t1 已 9 秒没有读数。"]  # noqa: RUF001
    await push(mine, room, ("t1", 20))
    assert (await mine.expect("message", timeout=SOON_S))["text"] == "✅ t1 恢复读数：20。"  # noqa: RUF001


async def test_alarm_goes_on_when_its_owner_has_left(connect: Connect, server: Server, ada: Account, room: str) -> None:
    mine, theirs = await connect(ada), await connect()
    await theirs.join(room)
    bob = theirs.account
    assert bob is not None
    await push(mine, room, ("t1", 20), ("t2", 20))
    async with with_token(server.base_url, ada) as http, with_token(server.base_url, bob) as other:
        assert (await http.patch(f"/api/rooms/{room}/members/{bob.id}", json={"role": "owner"})).is_success
        for sensor in ("t1", "t2"):
            assert (await other.put(f"/api/rooms/{room}/sensors/{sensor}/alarm", json={"above": 30})).is_success
        assert (await http.delete(f"/api/rooms/{room}/members/{bob.id}")).is_success
    await asyncio.sleep(2.5)  # each process reads the alarms every two seconds
    await mine.join(room)
    await push(mine, room, ("t1", 31))
    raised = await mine.expect("message")
    assert (raised["text"], raised["from"]["id"]) == ("⚠️ t1 is 31, above 30.", ada.id)
    # An account that has written nothing is deleted as a whole.
    gone = f"from accounts.models import User; User.objects.filter(id={bob.id}).delete()"
    await asyncio.to_thread(server.shell, gone)
    await asyncio.sleep(2.5)
    await push(mine, room, ("t2", 31))
    raised = await mine.expect("message")
    assert (raised["text"], raised["from"]["id"]) == ("⚠️ t2 is 31, above 30.", ada.id)


async def test_only_owners_set_alarms(connect: Connect, server: Server, bob: Account, room: str) -> None:
    theirs = await connect(bob)
    await theirs.join(room)
    await push(theirs, room, ("t1", 20))
    async with with_token(server.base_url, bob) as http:
        answer = await http.put(f"/api/rooms/{room}/sensors/t1/alarm", json={"above": 30})
        assert_problem(answer, 403, "forbidden")


async def test_silent_sensor_raises_an_alarm(connect: Connect, http: httpx.AsyncClient, ada: Account, room: str) -> None:
    mine = await connect(ada)
    await mine.join(room)
    await push(mine, room, ("t1", 20, at(-60)))
    await http.put(f"/api/rooms/{room}/sensors/t1/alarm", json={"silent_s": 5})
    assert (await mine.expect("message", timeout=SOON_S))["text"] == "⚠️ t1 has been silent for 5 s."
    await asyncio.sleep(2.5)
    await push(mine, room, ("t1", 21))
    assert (await mine.expect("message"))["text"] == "✅ t1 is back, at 21."


async def test_readings_of_a_time_away_post_nothing(connect: Connect, http: httpx.AsyncClient, ada: Account, room: str) -> None:
    """A device that was away sends its stored readings, oldest first."""
    mine = await connect(ada)
    await mine.join(room)
    await push(mine, room, ("t1", 20, at(-60)))
    await http.put(f"/api/rooms/{room}/sensors/t1/alarm", json={"silent_s": 5, "above": 30})
    assert (await mine.expect("message", timeout=SOON_S))["text"] == "⚠️ t1 has been silent for 5 s."
    await asyncio.sleep(2.5)  # each process reads the alarms every two seconds
    for age in range(50, 20, -5):
        await push(mine, room, ("t1", age, at(-age)))
    await mine.expect_nothing("message", seconds=EVERY_S + 2)
    await push(mine, room, ("t1", 21))
    assert (await mine.expect("message"))["text"] == "✅ t1 is back, at 21."


async def test_late_and_doubled_readings_raise_no_alarm(
    connect: Connect, http: httpx.AsyncClient, ada: Account, room: str
) -> None:
    mine = await connect(ada)
    await mine.join(room)
    newest = at(-1)
    await push(mine, room, ("t1", 20, newest))
    await http.put(f"/api/rooms/{room}/sensors/t1/alarm", json={"above": 30})
    await asyncio.sleep(2.5)  # each process reads the alarms every two seconds
    await push(mine, room, ("t1", 31, at(-30)))
    await push(mine, room, ("t1", 31, newest))
    await mine.expect_nothing("message", seconds=EVERY_S + 2)
    await push(mine, room, ("t1", 31, at(-10)), ("t1", 32), ("t1", 5, at(-20)))
    assert (await mine.expect("message"))["text"] == "⚠️ t1 is 32, above 30."


async def test_change_that_no_push_posted_is_posted_later(
    connect: Connect, http: httpx.AsyncClient, ada: Account, room: str
) -> None:
    """So it is after a process died between a reading's commit and its message.

    No reading comes any more.
    """
    mine = await connect(ada)
    await mine.join(room)
    await push(mine, room, ("t1", 31))
    path = f"/api/rooms/{room}/sensors/t1/alarm"
    await http.put(path, json={"above": 30})
    assert (await mine.expect("message", timeout=SOON_S))["text"] == "⚠️ t1 is 31, above 30."
    await http.put(path, json={"above": 40})
    assert (await mine.expect("message", timeout=SOON_S))["text"] == "✅ t1 is 31: back to normal."
    await mine.expect_nothing("message", seconds=EVERY_S + 2)


async def test_person_has_a_rate_of_readings(start_server: StartServer) -> None:
    server = start_server(LIMIT_READINGS_PER_S="100")
    ada = await sign_up(server.base_url)
    async with ChatClient(server.ws_url(), ada) as mine:
        await mine.join("lobby")
        readings = [(f"t{number % 10}", number) for number in range(1_000)]
        assert await push(mine, "lobby", *readings) == 1_000
        with pytest.raises(Refused, match="rate_limited"):
            for _ in range(3):
                await push(mine, "lobby", *readings)


async def test_simple_dialect_pushes_and_shows(server: Server, connect: Connect) -> None:
    ada, name = await sign_up(server.base_url), f"t-{secrets.token_hex(4)}"
    native = await connect(ada)
    await native.join("lobby")
    async with AsyncExitStack() as exits:
        mine, theirs = [
            await exits.enter_async_context(PlainSocket(server.ws_url(f"/ws/sensor_data{end}"), headers=ada.headers))
            for end in ("/", "")
        ]
        await mine.send_json({"sensor_id": name, "sensor_value": 21.5})
        for socket in (mine, theirs):
            while (frame := await socket.receive_json())["sensor_id"] != name:
                pass
            assert frame == {"sensor_id": name, "sensor_value": 21.5}
            text = json.dumps(frame)
            assert [one.name for one in matching("sensor_data", "send", text)] == ["out"]
            assert [one.name for one in matching("sensor_data", "receive", text)] == ["in"]
        deadline = time.monotonic() + 5
        while (await live(native))[0] != name:
            assert time.monotonic() < deadline
        for text in ("hello", "{}", '{"sensor_id": "t1", "sensor_value": "x"}'):
            await mine.send(text)
            while "error" not in (frame := await mine.receive_json()):
                pass
            assert frame["code"] in {"bad_json", "bad_frame"}


async def test_old_readings_are_deleted(
    server: Server, connect: Connect, http: httpx.AsyncClient, ada: Account, room: str
) -> None:
    mine = await connect(ada)
    await push(mine, room, ("t1", 1, at(-6 * 86_400)), ("t1", 2, at(-60)))
    code = "from django.conf import settings; settings.SENSOR_DAYS = 5; settings.SENSOR_MINUTE_DAYS = 5; "
    server.shell(code + "from features.sensors.tasks import readings_prune; readings_prune.func()")
    begin = {"from": at(-6.5 * 86_400)}
    assert [one["value"] for one in (await series(http, room, "t1", **begin))["points"]] == [2]
    assert [one["value"] for one in (await series(http, room, "t1", points=1, **begin))["points"]] == [2]


async def test_removed_sensor_is_gone_for_everybody(
    server: Server, connect: Connect, http: httpx.AsyncClient, ada: Account, bob: Account, room: str
) -> None:
    mine, theirs = await connect(ada), await connect(bob)
    await theirs.join(room)
    await push(mine, room, ("t1", 1), ("t2", 1))
    path = f"/api/rooms/{room}/sensors/t1"
    assert (await http.put(f"{path}/alarm", json={"above": 30})).is_success
    async with with_token(server.base_url, bob) as other:
        assert_problem(await other.delete(path), 403, "forbidden")
    assert (await http.delete(path)).status_code == httpx.codes.NO_CONTENT
    ended: list[Frame] = []
    while not ended:
        values = (await theirs.expect("live", topic="sensor"))["values"]
        ended = [one for one in values if one["value"] is None]
    assert [(one["key"], one["from"]["id"]) for one in ended] == [("t1", ada.id)]
    assert_problem(await http.delete(path), 404, "no_such_target")
    assert_problem(await http.get(f"{path}/series"), 404, "no_such_target")
    listed = (await http.get(f"/api/rooms/{room}/sensors")).json()["sensors"]
    assert [one["sensor_id"] for one in listed] == ["t2"]
    # A device that goes on makes a new one; processes know the old one still.
    assert await push(mine, room, ("t1", 2)) == 1
    listed = (await http.get(f"/api/rooms/{room}/sensors")).json()["sensors"]
    assert [(one["sensor_id"], one["value"], one["alarm"]) for one in listed] == [("t1", 2, None), ("t2", 1, None)]
    assert [one["value"] for one in (await series(http, room, "t1"))["points"]] == [2]
    prune = "from features.sensors.tasks import readings_prune; readings_prune.func();"
    left = "from features.sensors.models import Sensor as S; S.objects.filter(room=None).exists() and exit('left')"
    await asyncio.to_thread(server.shell, prune + left)


async def test_sensors_of_which_nothing_is_kept_are_deleted(
    server: Server, connect: Connect, http: httpx.AsyncClient, ada: Account, room: str
) -> None:
    """They count among the sensors that a room may have."""
    mine = await connect(ada)
    old = at(-4 * 86_400)
    await push(mine, room, ("gone", 1, old), ("alarmed", 1, old), ("back", 1, old), ("kept", 1, at(-2 * 86_400)))
    await push(mine, room, ("back", 2))
    assert (await http.put(f"/api/rooms/{room}/sensors/alarmed/alarm", json={"above": 30})).is_success
    days = "settings.SENSOR_DAYS, settings.SENSOR_MINUTE_DAYS, settings.SENSOR_HOUR_DAYS = 1, 2, 3"
    prune = "from features.sensors.tasks import readings_prune; readings_prune.func()"
    await asyncio.to_thread(server.shell, f"from django.conf import settings; {days}; {prune}")
    listed = (await http.get(f"/api/rooms/{room}/sensors")).json()["sensors"]
    assert [one["sensor_id"] for one in listed] == ["alarmed", "back", "kept"]
    assert await push(mine, room, ("gone", 2)) == 1, "it is made again"
