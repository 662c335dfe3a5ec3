"""Short text messages bypass parser, queue and task.

All other effects are the same.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from server.websocket.frame_limits import LimitedProtocol
from server.websocket.socket_protocol import AT_ONCE, SocketProtocol
from tests.conftest import Connect
from tests.support.chat_client import Account, create_room, sign_up
from tests.support.plain_socket import PlainSocket
from tests.support.server import Server
from tests.support.socket_protocol import open_protocol

pytestmark = pytest.mark.once


def frame(opcode: Opcode, data: bytes, *, fin: bool = True, masked: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=masked)


def text(data: str) -> bytes:
    return frame(Opcode.TEXT, data.encode())


def unmasked(opcode: int, data: bytes) -> list[bytes]:
    """Return head and body of a frame with a mask of zeros.

    Its body can look like a frame.
    """
    return [bytes((0x80 | opcode, 0x80 | len(data))) + bytes(4), data]


bodies = st.one_of(
    st.text(max_size=20).map(str.encode),
    st.binary(max_size=20),
    st.sampled_from([b"x" * size for size in (124, 125, 126, 127, 128, 255, 256, 65_535, 65_536)]),
)
messages = st.one_of(
    bodies.map(lambda body: [frame(Opcode.TEXT, body)]),
    bodies.map(lambda body: [frame(Opcode.BINARY, body)]),
    st.binary(max_size=10).map(lambda body: [frame(Opcode.PING, body)]),
    st.lists(bodies, min_size=1, max_size=3).map(
        lambda parts: [
            frame(Opcode.TEXT, b"first", fin=False),
            frame(Opcode.PING, b""),
            *[frame(Opcode.CONT, part, fin=False) for part in parts],
            frame(Opcode.CONT, b"last"),
        ]
    ),
    st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.PING]).map(lambda opcode: unmasked(opcode, text("within"))),
    st.just([frame(Opcode.TEXT, b"no mask", masked=False)]),
    st.just([b"\xc1\x80\0\0\0\0"]),
    st.just([frame(Opcode.TEXT, b"cut", fin=False), frame(Opcode.TEXT, b"short")]),
    st.just([frame(Opcode.CLOSE, b"\x03\xe8")]),
)


def opened(limit: int | None = 70_000) -> LimitedProtocol:
    conn = LimitedProtocol(max_size=limit)
    conn.state = State.OPEN
    conn.expect_frames()
    return conn


def parsed(conn: LimitedProtocol, data: bytes) -> list[tuple[Any, ...]]:
    """Return the parser's result as comparable values."""
    conn.receive_data(data)
    events = [(event.opcode, bytes(event.data), event.fin) for event in conn.events_received() if isinstance(event, Frame)]
    return [*events, *([(type(conn.parser_exc), str(conn.parser_exc))] if conn.parser_exc else [])]


def reads(parts: list[tuple[bytes, bool]], cuts: list[int]) -> list[bytes]:
    """Return the bytes in chunks as they may arrive.

    Split after each complete frame, and after fixed sizes.
    """
    found = [b""]
    for part, ends in parts:
        found[-1] += part
        if ends:
            found.append(b"")
    for size in cuts:
        found = [*found[:-1], found[-1][:size], found[-1][size:]]
    return [read for read in found if read]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(messages, max_size=6).flatmap(
        lambda stream: st.tuples(*(st.tuples(st.just(part), st.booleans()) for message in stream for part in message))
    ),
    st.lists(st.integers(1, 300), max_size=6),
    st.sampled_from([None, 100, 70_000]),
)
@example(((text("a"), True), (text("b"), False), (text("c"), False)), [], None)
@example(((text("x" * 101), False),), [], 100)
@example(tuple((part, True) for part in unmasked(Opcode.BINARY, text("within"))), [], None)
@example(((frame(Opcode.TEXT, b"cut", fin=False), True), (text("short"), False)), [], None)
def test_short_path_agrees_with_the_parser(parts: list[tuple[bytes, bool]], cuts: list[int], limit: int | None) -> None:
    short, plain = opened(limit), opened(limit)
    got: list[tuple[Any, ...]] = []
    expected: list[tuple[Any, ...]] = []
    for read in reads(parts, cuts):
        expected += parsed(plain, read)
        start = 0
        while short.between_messages and (found := short.whole_text(read, start)):
            got.append((Opcode.TEXT, found[0].encode(), True))
            start = found[1]
        if start < len(read):
            got += parsed(short, read[start:])
        assert got == expected
        if plain.parser_exc:
            break
    assert (short.state, short.current_size, short.data_to_send()) == (plain.state, plain.current_size, plain.data_to_send())


def test_short_messages_take_the_short_path() -> None:
    conn = opened()
    data = text("é") + text("x" * 300)
    assert conn.between_messages
    assert conn.whole_text(data, 0) == ("é", 8)
    assert conn.whole_text(data, 8) == ("x" * 300, len(data))


async def waits() -> None:
    """Do what an app cannot do at once."""


async def peer(waiting: str = "") -> tuple[SocketProtocol, list[str]]:
    """Return a connection whose app waits at each message in `waiting`.

    The second value is the list of the messages that the app got.
    """
    made = open_protocol(SimpleNamespace(is_closing=lambda: False, pause_reading=lambda: None, resume_reading=lambda: None))
    heard: list[str] = []

    def on_text(data: str) -> Coroutine[Any, Any, None] | None:
        heard.append(data)
        return waits() if data in waiting else None

    made.on_text = on_text
    return made, heard


async def queued(one: SocketProtocol) -> list[str]:
    """Return the messages that wait for the app's task.

    "…" is the rest of a message that the app has in part.
    """
    found = []
    while not one.queue.empty():
        message = one.queue.get_nowait()
        found.append(message.get("text") or "…")
        if "rest" in message:
            await message["rest"]
    return found


async def test_rest_of_a_message_goes_before_later_ones() -> None:
    one, heard = await peer("b")
    one.data_received(text("a") + text("b") + text("c"))
    one.data_received(text("d"))
    assert heard == ["a", "b"]
    assert one.read_paused
    assert await queued(one) == ["…"]
    one.read_paused = False  # as after `receive`
    one.parse()
    assert await queued(one) == ["c", "d"]
    assert heard == ["a", "b"]


async def test_busy_app_is_not_asked() -> None:
    one, heard = await peer()
    one.idle = False
    one.data_received(text("a"))
    assert heard == []
    assert await queued(one) == ["a"]


async def test_app_is_busy_between_two_receives() -> None:
    one, heard = await peer("b")
    one.idle = False
    asking = asyncio.create_task(one.receive())
    await asyncio.sleep(0)
    one.data_received(text("a"))
    assert not asking.done()
    one.data_received(text("b"))
    await (await asking)["rest"]
    one.data_received(text("c"))
    assert heard == ["a", "b"]
    assert (await one.receive())["text"] == "c"


async def test_partial_message_continues_with_the_next_read() -> None:
    one, heard = await peer()
    whole = text("abc") + text("def")
    one.data_received(whole[:12])
    one.data_received(whole[12:])
    assert heard == ["abc"]
    assert await queued(one) == ["def"]


async def test_one_large_read_does_not_block_other_sockets() -> None:
    one, heard = await peer()
    one.data_received(b"".join(text(str(number)) for number in range(3 * AT_ONCE)))
    assert len(heard) == AT_ONCE
    assert len(await queued(one)) == 2 * AT_ONCE


async def test_message_does_not_overtake_a_waiting_one(server: Server, connect: Connect, ada: Account) -> None:
    room = await create_room(server.base_url, ada)
    async with PlainSocket(server.ws_url(), headers=ada.headers) as socket:
        await socket.send_json({"type": "room.join", "room": room, "id": "join"})
        await socket.receive_type("room.joined")
        pages = [{"type": "history", "room": room, "before": 100, "id": number} for number in range(10)]
        message = {"type": "message.send", "room": room, "key": "k", "text": "hello", "id": "sent"}
        await socket.write(b"".join(text(json.dumps(asked)) for asked in (*pages, message, *pages)))
        order: list[tuple[Any, int]] = []
        while len(order) < 21:
            answer = await socket.receive_json(timeout=30)
            if "re" in answer:
                order.append((answer["re"], len(answer.get("messages", []))))
    before, after = order[:10], [reply for reply in order[10:] if reply[0] != "sent"]
    assert before == [(number, 0) for number in range(10)]
    assert [number for number, _ in after] == list(range(10))


@pytest.mark.parametrize("number", [1, 100])
async def test_many_messages_in_one_write_are_stored_in_order(unlimited: Server, number: int) -> None:
    ada = await sign_up(unlimited.base_url)
    room = await create_room(unlimited.base_url, ada)
    async with PlainSocket(unlimited.ws_url(), headers=ada.headers) as socket:
        await socket.send_json({"type": "room.join", "room": room})
        await socket.receive_type("room.joined")
        frames = [{"type": "message.send", "room": room, "key": f"k{n}", "text": str(n), "id": n} for n in range(number)]
        await socket.write(b"".join(text(json.dumps(sent)) for sent in frames))
        heard = [(await socket.receive_type("message", timeout=30)) for _ in range(number)]
    assert [(event["seq"], event["text"]) for event in heard] == [(n + 1, str(n)) for n in range(number)]
