"""Attacks at entry points that no other folder tests.

These are simple sockets, the stream, files, the admin and webhooks.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest

from tests.conftest import StartServer
from tests.features.stream.client import StreamClient, stream
from tests.support.api import anonymous, assert_problem, session_cookie, signed_in, with_token
from tests.support.chat_client import Account, create_room, sign_up
from tests.support.plain_socket import PlainSocket
from tests.support.server import Server

SIMPLE = ["/ws/chat/lobby/", "/infra/ws/", "/ws/location/", "/ws/sensor_data/"]
EVIL = {"Origin": "https://evil.example"}


@pytest.fixture
async def page(server: Server, ada: Account) -> AsyncIterator[httpx.AsyncClient]:
    """A browser with Ada signed in."""
    async with anonymous(server.base_url) as http:
        yield await signed_in(http, ada)


@pytest.fixture
async def staff(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    """A browser with an administrator signed in."""
    boss = await sign_up(server.base_url)
    change = f"from accounts.models import User; User.objects.filter(id={boss.id}).update(is_staff=True, is_superuser=True)"
    await asyncio.to_thread(server.shell, change)
    async with anonymous(server.base_url) as http:
        yield await signed_in(http, boss)


# --- simple sockets


@pytest.mark.parametrize("path", SIMPLE)
async def test_foreign_page_opens_no_simple_socket(server: Server, page: httpx.AsyncClient, path: str) -> None:
    async with PlainSocket(server.ws_url(path), headers=EVIL | session_cookie(page)) as socket:
        await socket.expect_close(4003)


@pytest.mark.parametrize("path", SIMPLE)
async def test_sign_out_closes_a_simple_socket(server: Server, page: httpx.AsyncClient, path: str) -> None:
    async with PlainSocket(server.ws_url(path), headers=session_cookie(page)) as socket:
        # What it greets with, or values that a room has kept, may come before the end.
        assert (await page.delete("/api/session")).status_code == httpx.codes.NO_CONTENT
        await socket.expect_close(4010)


# --- the stream


async def test_foreign_page_sends_no_frames(server: Server, ada: Account, page: httpx.AsyncClient) -> None:
    del page.headers["X-CSRFToken"]
    async with stream(server.base_url, ada) as mine:
        for headers in ({}, EVIL):
            sent = await page.post("/api/frames", json={"type": "ping"}, headers={"Hubbub-Stream": mine.id, **headers})
            assert_problem(sent, 403, "forbidden")
        assert mine.closed is None


async def test_stream_ends_with_its_credential(server: Server, ada: Account) -> None:
    async with stream(server.base_url, ada) as mine:
        await mine.expect("hello")
        assert (await mine.http.delete("/api/session")).status_code == httpx.codes.NO_CONTENT
        assert await end_of(mine) == 4010
        assert (await mine.send({"type": "ping"})).status_code == httpx.codes.UNAUTHORIZED


async def test_private_room_is_refused_to_a_stranger(server: Server, ada: Account) -> None:
    room = await create_room(server.base_url, await sign_up(server.base_url), private=True)
    async with stream(server.base_url, ada, room=room) as mine:
        assert (await mine.expect("error"))["code"] == "not_a_member"
        assert (await mine.request("history", room=room, before=9))["code"] == "not_a_member"


async def test_too_large_frame_is_refused(server: Server, ada: Account) -> None:
    async with stream(server.base_url, ada) as mine:
        assert_problem(await mine.send({"type": "ping", "text": "x" * 262_144}), 400, "bad_frame")
        assert (await mine.request("ping"))["type"] == "pong"


async def test_flood_of_frames_closes_its_own_stream(server: Server, ada: Account) -> None:
    async with stream(server.base_url, ada) as mine, stream(server.base_url, await sign_up(server.base_url)) as other:
        for _ in range(60):
            if mine.closed is not None:
                break
            await mine.send(*({"type": "ping"} for _ in range(50)))
        assert await end_of(mine) == 4009
        assert (await other.request("ping"))["type"] == "pong"


async def test_streams_count_as_sockets_of_their_person(start_server: StartServer) -> None:
    server = start_server(LIMIT_SOCKETS_PER_USER="2", WEB_CONCURRENCY="1")
    ada, bob = await sign_up(server.base_url), await sign_up(server.base_url)
    async with AsyncExitStack() as exits:
        http = await exits.enter_async_context(with_token(server.base_url, ada))
        await exits.enter_async_context(PlainSocket(server.ws_url(), headers=ada.headers))
        first = await exits.enter_async_context(stream(server.base_url, ada))
        await first.expect("hello")
        assert_problem(await http.get("/api/stream"), 429, "rate_limited")
        assert (await first.request("ping"))["type"] == "pong"
        async with stream(server.base_url, bob) as other:
            await other.expect("hello")


async def test_streams_count_as_handshakes_of_their_address(start_server: StartServer) -> None:
    server = start_server(LIMIT_HANDSHAKES_PER_S="5", LIMIT_CALLS_PER_S="0", LIMIT_SOCKETS_PER_USER="0", WEB_CONCURRENCY="1")
    ada = await sign_up(server.base_url)
    async with AsyncExitStack() as exits:
        http = await exits.enter_async_context(with_token(server.base_url, ada))
        statuses = set[int]()
        for _ in range(40):
            answer = await exits.enter_async_context(http.stream("GET", "/api/stream"))
            statuses.add(answer.status_code)
        assert statuses == {200, 429}


async def end_of(client: StreamClient) -> int:
    """Return the code that the stream is closed with, at most 10 s later."""
    return int((await client.end())["code"])


# --- files


async def test_ended_token_reads_no_file(server: Server, ada: Account) -> None:
    room = await create_room(server.base_url, ada)
    async with with_token(server.base_url, ada) as http:
        sent = await http.post(f"/api/rooms/{room}/files", files={"file": ("a.txt", b"secret", "text/plain")})
        url = sent.json()["url"]
        assert (await http.get(url)).content == b"secret"
        assert (await http.delete("/api/session")).status_code == httpx.codes.NO_CONTENT
        assert_problem(await http.get(url), 401, "unauthenticated")
        again = await http.post(f"/api/rooms/{room}/files", files={"file": ("a.txt", b"x", "text/plain")})
        assert_problem(again, 401, "unauthenticated")


# --- the admin


@pytest.mark.parametrize("path", ["/admin/", "/admin/accounts/user/", "/admin/rooms/room/", "/admin/accounts/user/1/delete/"])
async def test_admin_pages_are_for_staff_only(server: Server, page: httpx.AsyncClient, path: str) -> None:
    async with anonymous(server.base_url) as stranger:
        for http in (stranger, page):
            answer = await http.get(path)
            assert (answer.status_code, answer.headers["location"].split("?")[0]) == (302, "/admin/login/")
    assert (await page.post(path, data={"post": "yes"})).status_code in {302, 403}


async def test_admin_forms_without_csrf_token_change_nothing(server: Server, ada: Account, staff: httpx.AsyncClient) -> None:
    del staff.headers["X-CSRFToken"]
    for headers in ({}, EVIL):
        answer = await staff.post(f"/admin/accounts/user/{ada.id}/delete/", data={"post": "yes"}, headers=headers)
        assert answer.status_code == httpx.codes.FORBIDDEN
    async with with_token(server.base_url, ada) as http:
        assert (await http.get("/api/me")).is_success


BROKEN = (
    "%00/change/",
    "99999999999999999999/change/",
    "x'--/change/",
    "?q=%00",
    "?p=-1",
    "?p=x",
    "?o=x",
    "?is_staff__exact=x",
    "?e=1",
)


@pytest.mark.parametrize("broken", BROKEN)
async def test_admin_answers_broken_addresses(staff: httpx.AsyncClient, broken: str) -> None:
    for model in ("accounts/user", "rooms/room"):
        answer = await staff.get(f"/admin/{model}/{broken}", follow_redirects=True)
        assert answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR, model


# --- webhooks


async def test_webhook_takes_no_cookie_for_its_token(page: httpx.AsyncClient) -> None:
    assert_problem(await page.post("/api/hooks/made-up", json={"text": "x"}), 404, "no_such_target")
