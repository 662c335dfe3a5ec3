"""GET /api/stream and POST /api/frames: the promises of /ws/ without a WebSocket."""

import asyncio

import httpx
import pytest

from tests.conftest import Connect
from tests.features.stream.client import stream
from tests.support.chat_client import Account, create_room
from tests.support.server import Server


async def test_hello_names_the_stream(server: Server, ada: Account) -> None:
    async with stream(server.base_url, ada) as mine:
        hello = await mine.expect("hello")
        assert hello["stream"] == mine.id
        assert hello["user"] == {"id": ada.id, "name": ada.name}
        assert mine.response.headers["content-type"] == "text/event-stream"


async def test_frames_are_answered_over_the_stream(
    server: Server, ada: Account, connect: Connect, bob: Account, room: str
) -> None:
    theirs = await connect(bob)
    await theirs.join(room)
    async with stream(server.base_url, ada) as mine:
        joined = await mine.request("room.join", room=room)
        assert (joined["type"], joined["head"]) == ("room.joined", 0)
        sent = await mine.request("message.send", room=room, key="one", text="by HTTP")
        assert (sent["type"], sent["seq"], sent["duplicate"]) == ("message.sent", 1, False)
        assert (await mine.expect("message"))["key"] == "one"
        assert (await theirs.expect("message", text="by HTTP"))["seq"] == 1
        again = await mine.request("message.send", room=room, key="one", text="by HTTP")
        assert again["duplicate"]
        refused = await mine.request("message.send", room=room, key="two", text="")
        assert (refused["type"], refused["code"]) == ("error", "empty")
        await theirs.send(room, "back")
        await mine.expect("message", text="back")


async def test_room_in_the_address_is_joined(server: Server, ada: Account, connect: Connect, bob: Account, room: str) -> None:
    """As `curl -N` shows a room."""
    theirs = await connect(bob)
    await theirs.join(room)
    async with stream(server.base_url, ada, room=room) as mine:
        await mine.expect("room.joined", room=room)
        await theirs.send(room, "hi")
        await mine.expect("message", text="hi")


async def test_cursor_resumes_every_event_once(server: Server, ada: Account, connect: Connect, bob: Account, room: str) -> None:
    theirs = await connect(bob)
    await theirs.join(room)
    async with stream(server.base_url, ada, room=room) as mine:
        await mine.expect("room.joined")
        await theirs.send(room, "0")
        await mine.expect("message", text="0")
        cursor = mine.last_id
    for _ in range(45):  # more than one page
        await theirs.send(room, "x" * 9_990)
        await asyncio.sleep(0.06)  # as many a second as a person may send
    async with stream(server.base_url, ada, last_id=cursor) as mine:
        seqs: list[int] = []
        while len(seqs) < 45:
            seqs += [event["seq"] for event in (await mine.expect("room.joined", room=room))["events"]]
        assert seqs == list(range(2, 47))
        await theirs.send(room, "live again")
        assert (await mine.expect("message"))["seq"] == 47


async def test_cursor_comes_with_a_join(server: Server, ada: Account, connect: Connect, bob: Account, room: str) -> None:
    theirs = await connect(bob)
    await theirs.join(room)
    await theirs.send(room, "seen")
    async with stream(server.base_url, ada) as mine:
        await mine.request("room.join", room=room)
        cursor = mine.last_id
    await theirs.send(room, "missed")
    async with stream(server.base_url, ada, last_id=cursor) as mine:
        events = (await mine.expect("room.joined", room=room))["events"]
        assert [event["text"] for event in events] == ["missed"]


async def test_cursor_names_every_room_while_it_is_resumed(
    server: Server, ada: Account, connect: Connect, bob: Account, room: str
) -> None:
    """The line may be lost again between two of its rooms."""
    rooms, theirs = [room, await create_room(server.base_url, ada)], await connect(bob)
    async with stream(server.base_url, ada) as mine:
        for one in rooms:
            await mine.request("room.join", room=one)
            await theirs.join(one)
        cursor = mine.last_id
    for resumed in (cursor, cursor.replace(cursor.partition(",")[0], "of-another-log")):
        async with stream(server.base_url, ada, last_id=resumed) as mine:
            for one in rooms:
                await mine.expect("room.joined", room=one)
            await theirs.send(room, "live again")
            await mine.expect("message", text="live again")
            assert mine.ids
            assert all(f",{one}:" in found for found in mine.ids for one in rooms), mine.ids


async def test_cursor_of_another_epoch_is_void(server: Server, ada: Account, connect: Connect, bob: Account, room: str) -> None:
    """The cursor's seqs are of a log that a restore has replaced.

    The room comes with its latest messages.
    """
    theirs = await connect(bob)
    await theirs.join(room)
    async with stream(server.base_url, ada, room=room) as mine:
        epoch = (await mine.expect("room.joined"))["epoch"]
        for text in "12":
            await theirs.send(room, text)
        await mine.expect("message", text="2")
        cursor = mine.last_id
    assert cursor.startswith(f"{epoch},")
    async with stream(server.base_url, ada, last_id=cursor) as mine:
        assert (await mine.expect("room.joined", room=room))["events"] == []
    async with stream(server.base_url, ada, last_id=cursor.replace(epoch, "of-another-log")) as mine:
        events = (await mine.expect("room.joined", room=room))["events"]
        assert [event["text"] for event in events] == ["1", "2"]


async def test_stream_of_another_person_takes_no_frames(server: Server, ada: Account, bob: Account) -> None:
    async with stream(server.base_url, ada) as mine, stream(server.base_url, bob) as theirs:
        answer = await theirs.http.post("/api/frames", json={"type": "ping"}, headers={"Hubbub-Stream": mine.id})
        assert (answer.status_code, answer.json()["code"]) == (404, "no_such_stream")


async def test_repeated_request_is_handled_once(server: Server, ada: Account, room: str) -> None:
    async with stream(server.base_url, ada, room=room) as mine:
        await mine.expect("room.joined")
        for number, text in ((1, "once"), (1, "once"), (2, "then"), (1, "late")):
            frame = {"type": "message.send", "id": text, "room": room, "key": text, "text": text}
            headers = {"Hubbub-Stream": mine.id, "Hubbub-Request": str(number)}
            assert (await mine.http.post("/api/frames", json=frame, headers=headers)).status_code == 202
        assert (await mine.request("ping"))["type"] == "pong"
        assert [(await mine.expect("message"))["text"] for _ in range(2)] == ["once", "then"]
        assert [frame["re"] for frame in mine.frames if frame["type"] == "message.sent"] == ["once", "then"]
        answer = await mine.http.post(
            "/api/frames", json={"type": "ping"}, headers={"Hubbub-Stream": mine.id, "Hubbub-Request": "0"}
        )
        assert answer.status_code == 400


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (b"[", True, "bad_json"),
        (b"\xff", True, "bad_json"),
        (b'"\\ud800"', True, "bad_frame"),
        (b"[]", True, "bad_frame"),
        (b"[" + b"1," * 60 + b"1]", True, "bad_frame"),
        (b'{"type": "ping"}', False, "invalid"),
    ],
)
async def test_wrong_requests_are_named(server: Server, ada: Account, body: bytes, headers: bool, code: str) -> None:
    async with stream(server.base_url, ada) as mine:
        answer = await mine.http.post("/api/frames", content=body, headers={"Hubbub-Stream": mine.id} if headers else {})
        assert (answer.status_code, answer.json()["code"]) == (400, code)
        assert (await mine.request("ping"))["type"] == "pong"


async def test_head_opens_no_stream_and_leaves_the_connection_free(server: Server, ada: Account) -> None:
    async with httpx.AsyncClient(base_url=server.base_url, headers=ada.headers, limits=httpx.Limits(max_connections=1)) as http:
        for _ in range(3):
            head = await http.head("/api/stream", timeout=5)
            assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream")
            assert "hubbub-stream" not in head.headers
            assert (await http.get("/api/me", timeout=5)).status_code == 200
        assert (await http.head("/api/stream", headers={"Authorization": "Token none"})).status_code == 401


async def test_credentials_are_needed(server: Server) -> None:
    async with httpx.AsyncClient(base_url=server.base_url) as http:
        assert (await http.get("/api/stream")).status_code == 401
        assert (await http.post("/api/frames", json=[])).status_code == 401


async def test_client_that_goes_away_is_noticed(server: Server, ada: Account, bob: Account, connect: Connect, room: str) -> None:
    theirs = await connect(bob)
    await theirs.join(room)
    async with stream(server.base_url, ada, room=room) as mine:
        await mine.expect("room.joined")
        while ada.id not in [person["id"] for person in (await theirs.expect("presence", room=room, timeout=15))["joined"]]:
            pass
    async with asyncio.timeout(15):
        while ada.id not in [person["id"] for person in (await theirs.expect("presence", room=room, timeout=15))["left"]]:
            pass
