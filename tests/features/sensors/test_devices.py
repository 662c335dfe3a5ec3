"""Devices: a token that only pushes readings into one room, in three ways."""

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.errors import Close
from tests.conftest import Connect, StartServer
from tests.features.sensors.test_sensors import live
from tests.support.api import assert_problem, with_token
from tests.support.chat_client import Account, ChatClient, Closed, Frame, Refused, create_room, sign_up
from tests.support.plain_socket import PlainSocket
from tests.support.server import ROOT, Server

EXAMPLE = ROOT / "frontend/src/features/sensors/device.py"
# The periodic look at devices comes every three seconds, and the journal's poll at most after 2.9 s.
REVOKED_WITHIN_S = 5.0
READING = {"sensor_id": "t1", "value": 21.5}


@pytest.fixture
async def http(server: Server, ada: Account) -> AsyncIterator[httpx.AsyncClient]:
    async with with_token(server.base_url, ada) as client:
        yield client


async def device_in(http: httpx.AsyncClient, room: str, name: str = "greenhouse pi") -> Frame:
    answer = await http.post(f"/api/rooms/{room}/devices", json={"name": name})
    assert answer.status_code == httpx.codes.CREATED, answer.text
    made: Frame = answer.json()
    return made


def account_of(device: Frame) -> Account:
    return Account(0, device["name"], "", device["token"])


async def listed(http: httpx.AsyncClient, room: str) -> list[Frame]:
    found: list[Frame] = (await http.get(f"/api/rooms/{room}/devices")).json()["devices"]
    return found


async def values(http: httpx.AsyncClient, room: str) -> list[float]:
    points = (await http.get(f"/api/rooms/{room}/sensors/t1/series")).json()["points"]
    return [one["value"] for one in points]


async def test_device_pushes_by_each_way(
    connect: Connect, server: Server, http: httpx.AsyncClient, ada: Account, room: str
) -> None:
    mine = await connect(ada)
    await mine.join(room)
    device = await device_in(http, room)
    assert device["token"].startswith("device-")
    pi = account_of(device)
    async with with_token(server.base_url, pi) as client:
        answer = await client.post(f"/api/rooms/{room}/sensors/readings", json={"readings": [READING]})
        assert (answer.status_code, answer.json()) == (httpx.codes.ACCEPTED, {"accepted": 1})
    shown = (await mine.expect("live", topic="sensor"))["values"][0]
    assert shown["from"]["name"] == "greenhouse pi"
    chat = await connect(pi)
    assert (await chat.request("sensor.push", room=room, readings=[{"sensor_id": "t1", "value": 22}]))["accepted"] == 1
    assert await live(mine) == ("t1", 22)
    async with PlainSocket(server.ws_url("/ws/sensor_data/"), headers=pi.headers) as lines:
        await lines.send_json({"sensor_id": "t1", "sensor_value": 23})
        assert await live(mine) == ("t1", 23)
        await lines.send_json({"sensor_id": "t1"})
        assert (await lines.receive_json())["code"] == "bad_frame"
    assert await values(http, room) == [21.5, 22, 23]


async def test_device_may_do_nothing_else(
    connect: Connect, server: Server, http: httpx.AsyncClient, ada: Account, room: str
) -> None:
    other = await create_room(server.base_url, ada)
    device = await device_in(http, room)
    pi = account_of(device)
    chat = await connect(pi)
    for type_, fields in (
        ("room.join", {"room": room}),
        ("message.send", {"room": room, "text": "hi", "key": "k"}),
        ("history", {"room": room, "before": 1}),
        ("search", {"query": "hi"}),
        ("sensor.push", {"room": other, "readings": [READING]}),
    ):
        with pytest.raises(Refused) as refused:
            await chat.request(type_, **fields)
        assert refused.value.code == "forbidden", type_
    mine = await connect(ada)
    await mine.join(room)
    await mine.send(room, "not for devices")
    await mine.request("sensor.push", room=room, readings=[READING])
    await chat.expect_nothing("message")
    assert chat.pending_frames() == []
    async with with_token(server.base_url, pi) as client:
        for path in ("/api/me", "/api/rooms", f"/api/rooms/{room}/messages", f"/api/rooms/{room}/sensors", "/api/stream"):
            assert_problem(await client.get(path), 403, "forbidden")
        assert_problem(await client.post("/api/tickets"), 403, "forbidden")
        assert_problem(await client.post(f"/api/rooms/{room}/devices", json={"name": "x"}), 403, "forbidden")
        answer = await client.post(f"/api/rooms/{other}/sensors/readings", json={"readings": [READING]})
        assert_problem(answer, 403, "forbidden")
    for path in ("/ws/chat/", "/infra/ws", "/ws/location/"):
        async with PlainSocket(server.ws_url(path), headers=pi.headers) as socket:
            await socket.expect_close(Close.BAD_CREDENTIALS)
    members = (await http.get(f"/api/rooms/{room}/members")).json()["members"]
    assert [one["id"] for one in members] == [ada.id]
    people = (await http.get("/api/users", params={"query": "device-"})).json()["users"]
    assert people == []


async def test_token_is_shown_once_and_kept_hashed(server: Server, http: httpx.AsyncClient, room: str) -> None:
    device = await device_in(http, room)
    secret = device.pop("token")
    assert await listed(http, room) == [device]
    assert (device["last_seen_at"], device["revocable"]) == (None, True)
    stored = await asyncio.to_thread(
        server.shell,
        f"from features.sensors.models import Device; print(Device.objects.filter(id={device['id']}).values_list())",
    )
    assert secret not in stored
    assert re.search("[0-9a-f]{64}", stored)


async def test_device_is_seen(server: Server, http: httpx.AsyncClient, room: str) -> None:
    device = await device_in(http, room)
    async with with_token(server.base_url, account_of(device)) as client:
        await client.post(f"/api/rooms/{room}/sensors/readings", json={"readings": [READING]})
    for _ in range(100):
        if (await listed(http, room))[0]["last_seen_at"] is not None:
            return
        await asyncio.sleep(0.2)
    raise AssertionError("the device was never seen")


async def test_revoked_device_is_shut_out(connect: Connect, server: Server, http: httpx.AsyncClient, room: str) -> None:
    device, kept = await device_in(http, room), await device_in(http, room, "another")
    pi, other = account_of(device), await connect(account_of(kept))
    chats = [await connect(pi), await connect(pi)]
    async with PlainSocket(server.ws_url("/ws/sensor_data/"), headers=pi.headers) as lines:
        answer = await http.delete(f"/api/rooms/{room}/devices/{device['id']}")
        assert answer.status_code == httpx.codes.NO_CONTENT
        for chat in chats:
            await chat.expect_close(Close.REVOKED, timeout=REVOKED_WITHIN_S)
        await lines.expect_close(Close.REVOKED, timeout=REVOKED_WITHIN_S)
    async with with_token(server.base_url, pi) as client:
        answer = await client.post(f"/api/rooms/{room}/sensors/readings", json={"readings": [READING]})
        assert_problem(answer, 401, "unauthenticated")
    with pytest.raises(Closed) as closed:
        await connect(pi)
    assert closed.value.code == Close.BAD_CREDENTIALS
    assert (await other.request("sensor.push", room=room, readings=[READING]))["accepted"] == 1
    assert [one["name"] for one in await listed(http, room)] == ["another"]
    assert_problem(await http.delete(f"/api/rooms/{room}/devices/{device['id']}"), 404, "no_such_target")


async def test_device_ends_with_its_makers_membership_and_its_room(
    connect: Connect, server: Server, http: httpx.AsyncClient, bob: Account, room: str
) -> None:
    theirs = await connect(bob)
    await theirs.join(room)
    async with with_token(server.base_url, bob) as client:
        of_bob = await connect(account_of(await device_in(client, room, "of bob")))
    of_ada = await connect(account_of(await device_in(http, room, "of ada")))
    assert (await http.delete(f"/api/rooms/{room}/members/{bob.id}")).status_code == httpx.codes.NO_CONTENT
    await of_bob.expect_close(Close.REVOKED, timeout=REVOKED_WITHIN_S)
    assert (await of_ada.request("sensor.push", room=room, readings=[READING]))["accepted"] == 1
    close = f"from rooms.models import Room; Room.objects.filter(slug={room!r}).update(closed=True)"
    await asyncio.to_thread(server.shell, close)
    await of_ada.expect_close(Close.REVOKED, timeout=REVOKED_WITHIN_S)


async def test_members_make_devices_and_owners_revoke_them(
    connect: Connect, server: Server, http: httpx.AsyncClient, ada: Account, bob: Account, room: str
) -> None:
    stranger = await sign_up(server.base_url)
    await (await connect(bob)).join(room)
    async with with_token(server.base_url, bob) as theirs, with_token(server.base_url, stranger) as outsider:
        of_bob, of_ada = await device_in(theirs, room, "of bob"), await device_in(http, room, "of ada")
        assert [(one["name"], one["created_by"], one["revocable"]) for one in await listed(theirs, room)] == [
            ("of ada", ada.name, False),
            ("of bob", bob.name, True),
        ]
        assert_problem(await theirs.delete(f"/api/rooms/{room}/devices/{of_ada['id']}"), 403, "forbidden")
        for answer in (
            await outsider.get(f"/api/rooms/{room}/devices"),
            await outsider.post(f"/api/rooms/{room}/devices", json={"name": "x"}),
            await outsider.delete(f"/api/rooms/{room}/devices/{of_ada['id']}"),
        ):
            assert_problem(answer, 403, "not_a_member")
    assert (await http.delete(f"/api/rooms/{room}/devices/{of_bob['id']}")).status_code == httpx.codes.NO_CONTENT
    for name in ("", "x" * 65, "a\0", ada.name):
        assert (await http.post(f"/api/rooms/{room}/devices", json={"name": name})).status_code == httpx.codes.BAD_REQUEST


async def test_devices_and_their_readings_are_limited(start_server: StartServer) -> None:
    server = start_server(LIMIT_DEVICES_PER_ROOM="2", LIMIT_READINGS_PER_S="1")
    ada = await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    async with with_token(server.base_url, ada) as http:
        pis = [account_of(await device_in(http, room, f"pi {number}")) for number in range(2)]
        assert_problem(await http.post(f"/api/rooms/{room}/devices", json={"name": "third"}), 400, "too_many")
    async with ChatClient(server.ws_url(), pis[0]) as one, ChatClient(server.ws_url(), pis[1]) as other:
        ten = [{"sensor_id": f"t{number}", "value": 1} for number in range(10)]
        assert (await one.request("sensor.push", room=room, readings=ten))["accepted"] == 10
        with pytest.raises(Refused, match="rate_limited"):
            await one.request("sensor.push", room=room, readings=ten)
        assert (await other.request("sensor.push", room=room, readings=ten))["accepted"] == 10


@contextmanager
def example(base_url: str, room: str, token: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the documented device against a server."""
    text = EXAMPLE.read_text()
    address = "https://chat.example.org/api/rooms/greenhouse"
    assert address in text
    program = folder / "device.py"
    program.write_text(text.replace(address, f"{base_url}/api/rooms/{room}"))
    with subprocess.Popen([sys.executable, program], env=os.environ | {"TOKEN": token}) as running:
        try:
            yield running
        finally:
            running.kill()


async def test_documented_device_survives_a_restart(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server()
    ada = await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    async with with_token(server.base_url, ada) as http:
        device = await device_in(http, room)
        with example(server.base_url, room, device["token"], tmp_path) as running:
            await _until(http, room, 2)
            stopped = time.time()
            await asyncio.to_thread(server.stop)
            await asyncio.sleep(3)
            await asyncio.to_thread(server.start)
            back = time.time()
            await _until(http, room, len(await values(http, room)) + 4)
            assert running.poll() is None
        points: list[dict[str, Any]] = (await http.get(f"/api/rooms/{room}/sensors/t1/series")).json()["points"]
    times = [one["at"] for one in points]
    during = [at for at in times if stopped < _seconds(at) < back]
    assert len(during) >= 2, f"readings of the time without a server are missing: {times}"


def _seconds(at: str) -> float:
    from datetime import datetime  # noqa: PLC0415

    return datetime.fromisoformat(at).timestamp()


async def _until(http: httpx.AsyncClient, room: str, number: int) -> None:
    async with asyncio.timeout(60):
        while True:
            answer = await http.get(f"/api/rooms/{room}/sensors/t1/series")
            if answer.status_code == httpx.codes.OK and len(answer.json()["points"]) >= number:
                return
            await asyncio.sleep(0.3)


def test_documentation_shows_the_device_that_is_tested() -> None:
    code = "".join(f"    {line}\n" if line else "\n" for line in EXAMPLE.read_text().splitlines())
    assert code in (ROOT / "docs/features/sensors.md").read_text()
    assert len(EXAMPLE.read_text().splitlines()) <= 20
