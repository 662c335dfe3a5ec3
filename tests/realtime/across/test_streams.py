"""Client frames that reach another process than the stream's."""

import httpx

from tests.features.stream.client import stream
from tests.realtime.across.conftest import Circle


async def test_frames_go_to_the_process_that_holds_the_stream(circle: Circle) -> None:
    there = await circle.there()
    async with (
        stream(circle.pair.one.base_url, circle.ada, room=circle.room) as mine,
        httpx.AsyncClient(base_url=circle.pair.two.base_url, headers=circle.ada.headers) as other,
    ):
        await mine.expect("room.joined")
        frame = {"type": "message.send", "id": 1, "room": circle.room, "key": "across", "text": "through the other"}
        answer = await other.post("/api/frames", json=frame, headers={"Hubbub-Stream": mine.id})
        assert answer.status_code == 202, answer.text
        sent = await mine.expect("message.sent", re=1)
        await there.expect("message", room=circle.room, seq=sent["seq"])


async def test_request_repeated_to_another_process_is_handled_once(circle: Circle) -> None:
    async with (
        stream(circle.pair.one.base_url, circle.ada, room=circle.room) as mine,
        httpx.AsyncClient(base_url=circle.pair.two.base_url, headers=circle.ada.headers) as other,
    ):
        await mine.expect("room.joined")
        headers = {"Hubbub-Stream": mine.id, "Hubbub-Request": "1"}
        frame = {"type": "message.send", "id": 1, "room": circle.room, "key": "again", "text": "twice"}
        for http in (other, mine.http, other):
            assert (await http.post("/api/frames", json=frame, headers=headers)).status_code == 202
        later = {"type": "message.send", "id": 2, "room": circle.room, "key": "later", "text": "later"}
        await other.post("/api/frames", json=later, headers={"Hubbub-Stream": mine.id, "Hubbub-Request": "2"})
        await mine.expect("message.sent", re=2)
        assert [frame["re"] for frame in mine.frames if frame["type"] == "message.sent"] == [1]


async def test_stream_of_another_person_takes_no_forwarded_frames(circle: Circle) -> None:
    async with (
        stream(circle.pair.one.base_url, circle.ada, room=circle.room) as mine,
        httpx.AsyncClient(base_url=circle.pair.two.base_url, headers=circle.bob.headers) as other,
    ):
        await mine.expect("room.joined")
        frame = {"type": "message.send", "room": circle.room, "key": "forged", "text": "as Ada"}
        await other.post("/api/frames", json=frame, headers={"Hubbub-Stream": mine.id})
        sent = await mine.request("message.send", room=circle.room, key="own", text="mine")
        assert (await mine.expect("message"))["text"] == "mine"
        assert sent["seq"] == 1
