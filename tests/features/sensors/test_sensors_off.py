"""The server without sensors and places: neither of them answers.

Stored data stays, and works again later.
"""

import asyncio
import json

import httpx
import pytest

from core.errors import Close
from tests.conftest import StartServer
from tests.features.location.test_frames import HERE, share
from tests.features.sensors.test_devices import account_of, device_in
from tests.features.sensors.test_sensors import push
from tests.support.api import with_token
from tests.support.chat_client import ChatClient, Refused, create_room, sign_up
from tests.support.plain_socket import PlainSocket

pytestmark = pytest.mark.once


async def test_sensors_and_places_are_absent_while_off(start_server: StartServer) -> None:
    server = start_server()
    ada = await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    async with ChatClient(server.ws_url(), ada) as chat, with_token(server.base_url, ada) as http:
        await share(chat, room)
        await chat.request("location.update", room=room, **HERE)
        assert await push(chat, room, ("t1", 1)) == 1
        pi = account_of(await device_in(http, room))
        await chat.send(room, "after them")
    await asyncio.to_thread(server.stop)
    server.env["FEATURES_OFF"] = "sensors,location"
    await asyncio.to_thread(server.start)
    async with ChatClient(server.ws_url(), ada) as chat, with_token(server.base_url, ada) as http:
        assert not {"sensors", "location"} & set(chat.hello["features"])
        events = await chat.catch_up(room, after=0)
        assert [event["seq"] for event in events] == [1, 2]
        assert "until" not in json.dumps(events)
        await chat.expect_nothing("live")
        for type_, fields in (("sensor.push", {"readings": []}), ("location.share", {"seconds": 60, "key": "k"})):
            with pytest.raises(Refused, match="unknown_type"):
                await chat.request(type_, room=room, **fields)
        for path in ("sensors", "devices", "sensors/t1/series"):
            assert (await http.get(f"/api/rooms/{room}/{path}")).status_code == httpx.codes.NOT_FOUND
        for path, account, code in (
            ("/ws/sensor_data/", ada, Close.ROOM_REFUSED),
            ("/ws/location/", ada, Close.ROOM_REFUSED),
            ("/ws/", pi, Close.BAD_CREDENTIALS),
        ):
            async with PlainSocket(server.ws_url(path), headers=account.headers) as socket:
                await socket.expect_close(code)
    await asyncio.to_thread(server.stop)
    del server.env["FEATURES_OFF"]
    await asyncio.to_thread(server.start)
    async with with_token(server.base_url, ada) as http, ChatClient(server.ws_url(), pi) as device:
        assert await push(device, room, ("t1", 2)) == 1
        points = (await http.get(f"/api/rooms/{room}/sensors/t1/series")).json()["points"]
        assert [one["value"] for one in points] == [1, 2]
