"""Floods of one user are refused or closed, and a bystander is not delayed."""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.conftest import Connect, StartServer
from tests.realtime.conftest import Witness, witnessing
from tests.support.chat_client import Account, ChatClient, create_room, sign_up
from tests.support.plain_socket import PlainSocket
from tests.support.profile import Profile
from tests.support.server import Server

RATE = 20  # defaults of LIMIT_MESSAGES_PER_S and LIMIT_SOCKETS_PER_USER
PATHS = ["/ws/", "/ws/chat/{}/", "/infra/ws"]


@pytest.fixture
async def pest(server: Server) -> Account:
    """Return a new user, without calls that count against the limits."""
    return await sign_up(server.base_url)


def message(room: str, number: int) -> dict[str, Any]:
    return {"type": "message.send", "id": number, "room": room, "key": f"key-{number}", "text": str(number)}


async def replies(socket: PlainSocket, number: int) -> dict[int, dict[str, Any]]:
    """Return the replies to requests 0 to `number` - 1."""
    found: dict[int, dict[str, Any]] = {}
    while len(found) < number:
        frame = await socket.receive_json(timeout=10)
        if frame.get("re") is not None:
            found[frame["re"]] = frame
    return found


async def test_too_many_messages_are_refused_one_by_one(plain: Any, pest: Account, witness: Witness) -> None:
    socket = await plain("/ws/", pest)
    await socket.send_json({"type": "room.join", "room": witness.room})
    started = time.monotonic()
    for number in range(60):
        await socket.send_json(message(witness.room, number))
    answers = await replies(socket, 60)
    seconds = time.monotonic() - started
    kinds = Counter(answer.get("code", answer["type"]) for answer in answers.values())
    assert set(kinds) == {"message.sent", "rate_limited"}
    assert RATE <= kinds["message.sent"] <= RATE * (1 + seconds) + 1
    # Refused messages may be sent again later with their key.
    refused = next(number for number, answer in answers.items() if answer["type"] == "error")
    await asyncio.sleep(0.3)
    await socket.send_json(message(witness.room, refused) | {"id": 0})
    assert (await replies(socket, 1))[0]["duplicate"] is False


async def test_a_second_socket_brings_no_second_allowance(plain: Any, profile: Profile, pest: Account, witness: Witness) -> None:
    sockets = [await plain("/ws/", pest) for _ in range(4)]
    await sockets[0].send_json({"type": "room.join", "room": witness.room})
    started = time.monotonic()
    for number in range(40):
        for index, socket in enumerate(sockets):
            await socket.send_json(message(witness.room, number) | {"key": f"{index}-{number}"})
    answers = [answer for socket in sockets for answer in (await replies(socket, 40)).values()]
    seconds = time.monotonic() - started
    stored = [answer for answer in answers if answer["type"] == "message.sent"]
    assert len(stored) <= RATE * (1 + seconds) * profile.workers + 1


async def test_each_user_has_their_own_limit(plain: Any, ada: Account, bob: Account, witness: Witness) -> None:
    loud, calm = await plain("/ws/", ada), await plain("/ws/", bob)
    for socket in (loud, calm):
        await socket.send_json({"type": "room.join", "room": witness.room})
    for number in range(60):
        await loud.send_json(message(witness.room, number))
    await calm.send_json(message(witness.room, 0))
    assert (await replies(calm, 1))[0]["type"] == "message.sent"


@pytest.mark.once
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("frame", ["ping", "{", '{"type":"ping"}', '{"message":""}'])
async def test_endless_frames_close_with_4009(plain: Any, pest: Account, witness: Witness, path: str, frame: str) -> None:
    socket = await plain(path.format(witness.room), pest)
    reader = asyncio.create_task(socket.expect_close(4009, timeout=20))
    with contextlib.suppress(ConnectionClosed):
        for _ in range(5000):
            await socket.send(frame)
    await reader


@pytest.mark.once
@pytest.mark.parametrize("path", PATHS)
async def test_endless_large_frames_close_with_4009(plain: Any, pest: Account, witness: Witness, path: str) -> None:
    socket = await plain(path.format(witness.room), pest)
    reader = asyncio.create_task(socket.expect_close(4009, timeout=30))
    with contextlib.suppress(ConnectionClosed):
        for _ in range(3000):
            await socket.send("x" * 50_000)
    await reader


@pytest.mark.parametrize("path", PATHS[1:])
async def test_too_many_lines_are_refused_in_the_simpler_dialects(start_server: StartServer, path: str) -> None:
    # Lines are stored one after the other there: a slow machine may store only a few a second.
    rate = 2
    server = start_server(LIMIT_MESSAGES_PER_S=str(rate))
    pest = await sign_up(server.base_url)
    room = await create_room(server.base_url, pest)
    content = json.dumps({"text": "x"})
    frame = "x" if "chat" in path else json.dumps({"type": "demo-message-send", "content": content})
    async with PlainSocket(server.ws_url(path.format(room)), headers=pest.headers) as socket:
        for _ in range(60):
            await socket.send(frame)
        answers = [await socket.receive_json() for _ in range(60 if "chat" in path else rate)]
        if "chat" in path:
            errors = [answer for answer in answers if "error" in answer]
            assert errors
            assert all("too many messages" in answer["error"] for answer in errors)
            assert 60 - len(errors) >= rate
        assert socket.socket.close_code is None


async def test_hundreds_of_joins_are_answered_in_turn(plain: Any, pest: Account, witness: Witness) -> None:
    """A join reads a page of the log and is the most expensive frame."""
    socket = await plain("/ws/", pest)
    reading = asyncio.create_task(replies(socket, 150))
    for number in range(150):
        await socket.send_json({"type": "room.join", "id": number, "room": witness.room, "after": 0})
    answers = await reading
    assert {answer["type"] for answer in answers.values()} == {"room.joined"}


async def test_too_many_sockets_of_one_user_are_refused(
    server: Server, profile: Profile, pest: Account, witness: Witness
) -> None:
    async with AsyncExitStack() as exits:

        async def another() -> PlainSocket | None:
            """Open one more socket; return None when it is refused."""
            socket = await exits.enter_async_context(PlainSocket(server.ws_url(), headers=pest.headers))
            try:
                await socket.receive_type("hello")
            except ConnectionClosed:
                assert socket.socket.close_code == 4009
                return None
            return socket

        opened = await asyncio.gather(*[another() for _ in range(RATE * profile.workers + 10)])
        kept = [socket for socket in opened if socket is not None]
        assert RATE <= len(kept) <= RATE * profile.workers
        for socket in kept:  # the open sockets stay open
            await socket.send('{"type":"ping","id":1}')
            await socket.receive_type("pong")
        for socket in kept:
            await socket.socket.close()
        for _ in range(50):
            if await another() is not None:
                return
            await asyncio.sleep(0.1)
        raise AssertionError("closed sockets still count")


@pytest.fixture
async def limited(start_server: StartServer) -> AsyncIterator[tuple[Server, Account, Witness]]:
    """A server with a limit of 5 handshakes a second, and a bystander.

    The limit counts by address and allows 20 at once.
    """
    server = start_server(LIMIT_HANDSHAKES_PER_S="5")
    talker, listener = await sign_up(server.base_url), await sign_up(server.base_url)
    async with witnessing(server, await create_room(server.base_url, talker), talker, listener) as witness:
        yield server, await sign_up(server.base_url), witness


async def test_too_many_handshakes_of_one_address_are_refused(limited: tuple[Server, Account, Witness], profile: Profile) -> None:
    server, pest, _ = limited

    async def knock(address: str) -> int | None:
        async with PlainSocket(server.ws_url(), headers={"X-Forwarded-For": address}) as socket:
            with contextlib.suppress(ConnectionClosed):
                await socket.receive()
            return socket.socket.close_code

    started = time.monotonic()
    codes = Counter([code for _ in range(10) for code in await asyncio.gather(*[knock("198.18.0.1") for _ in range(10)])])
    seconds = time.monotonic() - started
    assert set(codes) == {4001, 4009}
    assert 20 <= codes[4001] <= (20 + 5 * seconds + 1) * profile.workers
    assert await knock("198.18.0.2") == 4001, "another address has its own allowance"
    async with ChatClient(server.ws_url(), pest) as chat:  # from the test's own address, like the bystander
        await chat.request("ping")


async def test_zero_lifts_the_limits(unlimited: Server, connect: Connect) -> None:
    person = await sign_up(unlimited.base_url)
    room = await create_room(unlimited.base_url, person)
    async with AsyncExitStack() as exits:
        sockets = [await exits.enter_async_context(ChatClient(unlimited.ws_url(), person)) for _ in range(RATE * 3)]
        assert sockets[0].hello["limits"]["rate"] == 0
        for number in range(2000):
            await sockets[0].push("nonsense", id=str(number))
        sent = await asyncio.gather(*[sockets[1].send(room, "x") for _ in range(60)])
        assert max(reply["seq"] for reply in sent) == 60


async def test_sockets_of_one_user_share_a_frame_limit(start_server: StartServer) -> None:
    """Each stays below its own limit: together they are slowed, and none is closed."""
    server = start_server(WEB_CONCURRENCY="1", LIMIT_MESSAGES_PER_S="1")
    pest, other = await sign_up(server.base_url), await sign_up(server.base_url)
    async with AsyncExitStack() as exits:
        sockets = [await exits.enter_async_context(PlainSocket(server.ws_url("/ws/"), headers=pest.headers)) for _ in range(4)]
        chat = await exits.enter_async_context(ChatClient(server.ws_url(), other))
        started = time.monotonic()
        for number in range(200):
            for socket in sockets:
                await socket.send_json({"type": "ping", "id": number})
        assert (await chat.request("ping"))["type"] == "pong"
        for socket in sockets:
            answers = await replies(socket, 200)
            assert {answer["type"] for answer in answers.values()} == {"pong"}
        saved_up, a_second = 2 * (10 + 200), 5 + 50
        assert time.monotonic() - started > (4 * 200 - saved_up) / a_second - 1
