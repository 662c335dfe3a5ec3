"""Credentials of sockets: their order, tickets for one handshake, their end."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest
from websockets.exceptions import ConnectionClosed

from tests.conftest import StartServer
from tests.support.api import anonymous, session_cookie, signed_in, with_token
from tests.support.chat_client import Account, sign_up
from tests.support.plain_socket import PlainSocket
from tests.support.server import Server

Headers = Sequence[tuple[str, str]]


@pytest.fixture
async def page(server: Server, ada: Account) -> AsyncIterator[httpx.AsyncClient]:
    """A browser with Ada signed in."""
    async with anonymous(server.base_url) as http:
        yield await signed_in(http, ada)


@pytest.fixture
async def knock(server: Server) -> AsyncIterator[Any]:
    """Open sockets: `socket = await knock("?token=…", Cookie="…")`."""
    async with AsyncExitStack() as exits:

        async def one(query: str = "", headers: Headers = (), **more: str) -> PlainSocket:
            found = [*headers, *more.items()]
            return await exits.enter_async_context(PlainSocket(server.ws_url("/ws/" + query), headers=found))

        yield one


async def who(socket: PlainSocket) -> int:
    """Return the id of the user whom the server greets."""
    return int((await socket.receive_type("hello"))["user"]["id"])


async def ticket_of(http: httpx.AsyncClient) -> str:
    answer = await http.post("/api/tickets")
    assert answer.status_code == 201, answer.text
    return str(answer.json()["ticket"])


# --- one credential


async def test_each_credential_opens_a_socket(server: Server, knock: Any, ada: Account, page: httpx.AsyncClient) -> None:
    assert await who(await knock(Authorization=f"Token {ada.token}")) == ada.id
    assert await who(await knock(Authorization=f"token   {ada.token}")) == ada.id
    assert await who(await knock(f"?token={ada.token}")) == ada.id
    assert await who(await knock(f"?ticket={await ticket_of(page)}")) == ada.id
    assert await who(await knock(**session_cookie(page))) == ada.id
    async with with_token(server.base_url, ada) as program:
        assert await who(await knock(f"?ticket={await ticket_of(program)}")) == ada.id


async def test_handshake_without_credentials_is_refused(knock: Any) -> None:
    await (await knock()).expect_close(4001)
    await (await knock("?colour=blue", Cookie="other=1")).expect_close(4001)


BAD = ["nonsense", "", "'", "\0", "é", "x" * 4000, "Token"]


@pytest.mark.parametrize("value", BAD, ids=ascii)
async def test_bad_credentials_are_refused(knock: Any, value: str) -> None:
    for query in (f"?token={quote(value)}", f"?ticket={quote(value)}"):
        await (await knock(query)).expect_close(4001 if value == "" else 4003)
    if value.isprintable():
        await (await knock(Cookie=f"sessionid={quote(value)}")).expect_close(4001 if value == "" else 4003)
    await (await knock(Authorization=f"Token {quote(value)}".strip())).expect_close(4003)
    await (await knock(Authorization=f"Bearer {quote(value)}".strip())).expect_close(4003)


@pytest.mark.parametrize("query", ["?token=%ff%fe", "?%ff=1&token=x", "?token=a%00b", "?token[]=x&ticket=%", "?token=x;token=y"])
async def test_bad_query_strings_are_refused(knock: Any, query: str) -> None:
    socket = await knock(query)
    await socket.expect_close(4003)


# --- several


async def test_first_present_credential_decides(
    server: Server, knock: Any, ada: Account, bob: Account, page: httpx.AsyncClient
) -> None:
    """The order is header, ticket, token, cookie; later ones are not read."""
    header, cookie = {"Authorization": f"Token {bob.token}"}, session_cookie(page)
    async with with_token(server.base_url, bob) as program:
        ticket = await ticket_of(program)
    assert await who(await knock(f"?ticket=bad&token={ada.token}", **header, **cookie)) == bob.id
    assert await who(await knock(f"?token={ada.token}&ticket={ticket}", **cookie)) == bob.id
    assert await who(await knock(f"?token={bob.token}", **cookie)) == bob.id


async def test_bad_token_is_refused_despite_a_good_cookie(knock: Any, ada: Account, page: httpx.AsyncClient) -> None:
    cookie = session_cookie(page)
    await (await knock(Authorization="Token bad", **cookie)).expect_close(4003)
    await (await knock("?token=bad", **cookie)).expect_close(4003)
    await (await knock("?ticket=bad", **cookie)).expect_close(4003)
    await (await knock(f"?ticket=bad&token={ada.token}")).expect_close(4003)
    await (await knock(f"?token={ada.token}", Authorization="Token bad")).expect_close(4003)


async def test_empty_credential_decides_before_a_good_one(knock: Any, ada: Account, page: httpx.AsyncClient) -> None:
    for query in ("?ticket=", "?token=", "?token", f"?ticket=&token={ada.token}"):
        await (await knock(query, **session_cookie(page))).expect_close(4001)


async def test_cookie_with_nul_fails_no_other_handshake(knock: Any, ada: Account, page: httpx.AsyncClient) -> None:
    """Handshakes share a query, which cannot take a NUL: one must not fail them all."""
    bad = {"Cookie": 'sessionid="nul\\000"'}
    sockets = await asyncio.gather(*[knock(**(bad if number % 2 else session_cookie(page))) for number in range(20)])
    for number, socket in enumerate(sockets):
        if number % 2:
            await socket.expect_close(4003)
        else:
            assert await who(socket) == ada.id


async def test_cookies_in_several_headers_are_read(server: Server, knock: Any, ada: Account, page: httpx.AsyncClient) -> None:
    """As a proxy sends them that takes HTTP/2 and hands each cookie on by itself."""
    cookies = ["a=1", session_cookie(page)["Cookie"], "z=2"]
    for order in (cookies, cookies[::-1], cookies[1:], cookies[:2]):
        headers = [("Cookie", one) for one in order]
        assert await who(await knock(headers=headers)) == ada.id
        async with httpx.AsyncClient(base_url=server.base_url, headers=headers) as http:
            assert (await http.get("/api/me")).json()["user"]["id"] == ada.id
            assert (await http.get("/chat/")).status_code == 200


@pytest.mark.parametrize("value", ['"aaaaaaaa\\000"', "a" * 5000, '"\\303\\251aaaaaaaa"'], ids=["NUL", "long", "no ASCII"])
async def test_page_with_a_session_that_is_none_is_answered(server: Server, value: str) -> None:
    """As to a stranger: Postgres takes no NUL, not even to compare it."""
    async with httpx.AsyncClient(base_url=server.base_url, headers={"Cookie": f"sessionid={value}"}) as http:
        for path, status in (("/accounts/sign-in/", 200), ("/chat/", 302), ("/accounts/password/", 302), ("/api/me", 401)):
            assert (await http.get(path)).status_code == status, path


# --- tickets


async def test_a_ticket_works_once(knock: Any, ada: Account, page: httpx.AsyncClient) -> None:
    ticket = await ticket_of(page)
    assert await who(await knock(f"?ticket={ticket}")) == ada.id
    await (await knock(f"?ticket={ticket}")).expect_close(4003)


async def test_one_ticket_opens_one_of_many_handshakes(knock: Any, ada: Account, page: httpx.AsyncClient) -> None:
    """Also when the handshakes reach different workers."""

    async def opened(ticket: str) -> bool:
        socket = await knock(f"?ticket={ticket}")
        try:
            return await who(socket) == ada.id
        except ConnectionClosed:
            await socket.expect_close(4003)
            return False

    for _ in range(5):
        ticket = await ticket_of(page)
        assert sum(await asyncio.gather(*[opened(ticket) for _ in range(8)])) == 1


async def test_a_ticket_lasts_30_seconds(server: Server, knock: Any, ada: Account, page: httpx.AsyncClient) -> None:
    """The test moves the time in the database: waiting half a minute shows no more."""
    for seconds, good in ((-25, True), (-31, False)):
        ticket = await ticket_of(page)
        shift_tickets(server, seconds)
        socket = await knock(f"?ticket={ticket}")
        if good:
            assert await who(socket) == ada.id
        else:
            await socket.expect_close(4003)


def shift_tickets(server: Server, seconds: int) -> None:
    """Move the time of all tickets `seconds` into the past."""
    url = server.env.get("DATABASE_URL")
    if url:
        with psycopg.connect(url, connect_timeout=5) as postgres:
            postgres.execute("UPDATE accounts_ticket SET expires_at = expires_at + make_interval(secs => %s)", [seconds])
        return
    sqlite = sqlite3.connect(server.data_dir / "hubbub.sqlite3", timeout=5)
    with sqlite:
        sqlite.execute("UPDATE accounts_ticket SET expires_at = datetime(expires_at, ?)", [f"{seconds} seconds"])
    sqlite.close()


async def test_only_the_digest_of_a_token_is_stored(server: Server, ada: Account, page: httpx.AsyncClient) -> None:
    ticket = await ticket_of(page)
    url = server.env.get("DATABASE_URL")
    if url:
        with psycopg.connect(url, connect_timeout=5) as postgres:
            rows = str(postgres.execute("SELECT * FROM accounts_ticket").fetchall())
            rows += str(postgres.execute("SELECT * FROM accounts_apitoken").fetchall())
    else:
        files = [path for path in server.data_dir.iterdir() if path.name.startswith("hubbub.sqlite3")]
        rows = "".join(path.read_bytes().decode("latin-1") for path in files)
    assert ticket not in rows
    assert ada.token not in rows


# --- Origin


async def test_origin_is_checked_for_the_cookie_only(server: Server, knock: Any, ada: Account, page: httpx.AsyncClient) -> None:
    cookie = session_cookie(page)
    assert await who(await knock(Origin=server.base_url, **cookie)) == ada.id
    assert await who(await knock(**cookie)) == ada.id  # not a browser: browsers always send one
    evil = {"Origin": "https://evil.example"}
    assert await who(await knock(f"?token={ada.token}", **evil)) == ada.id
    assert await who(await knock(f"?ticket={await ticket_of(page)}", **evil)) == ada.id
    assert await who(await knock(**evil, Authorization=f"Token {ada.token}")) == ada.id


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "https://127.0.0.1:PORT",
        "http://127.0.0.1:PORT.evil.example",
        "http://evil.example/?http://127.0.0.1:PORT",
        "http://127.0.0.1:PORT@evil.example",
        "file://",
        "nonsense",
        "http://[",
    ],
)
async def test_foreign_origin_with_the_cookie_is_refused(
    server: Server, knock: Any, page: httpx.AsyncClient, origin: str
) -> None:
    origin = origin.replace("PORT", str(server.port))
    await (await knock(Origin=origin, **session_cookie(page))).expect_close(4003)


async def test_configured_origins_are_accepted(start_server: StartServer) -> None:
    server = start_server(ALLOWED_ORIGINS="https://Chat.example.org:443/,http://localhost:5173,http://bücher.example:80")
    ada = await sign_up(server.base_url)
    async with anonymous(server.base_url) as http:
        cookie = session_cookie(await signed_in(http, ada))
        for origin in ("https://chat.example.org", "http://localhost:5173", "http://xn--bcher-kva.example", server.base_url):
            async with PlainSocket(server.ws_url(), headers={"Origin": origin, **cookie}) as socket:
                assert await who(socket) == ada.id
        async with PlainSocket(server.ws_url(), headers={"Origin": "https://example.org", **cookie}) as socket:
            await socket.expect_close(4003)


@pytest.mark.parametrize("neighbour", ['{"a": 1}', "with space", "a=b", "é", '"', "[x]"], ids=ascii)
async def test_foreign_cookies_on_the_host_do_not_hide_ours(
    knock: Any, ada: Account, page: httpx.AsyncClient, neighbour: str
) -> None:
    """Python's parser gives up on some cookies; like Django, we read past them."""
    cookie = session_cookie(page)["Cookie"]
    assert await who(await knock(Cookie=f"theme={neighbour}; {cookie}; more={neighbour}")) == ada.id


# --- the end of credentials


async def test_sign_out_closes_only_sockets_of_that_session(
    server: Server, knock: Any, ada: Account, page: httpx.AsyncClient
) -> None:
    async with anonymous(server.base_url) as http:
        phone = await signed_in(http, ada)
        ended = [await knock(**session_cookie(page)) for _ in range(3)]
        ended += [await knock(f"?ticket={await ticket_of(page)}") for _ in range(3)]
        kept = [await knock(**session_cookie(phone)), await knock(f"?token={ada.token}")]
        for socket in [*ended, *kept]:
            assert await who(socket) == ada.id
        assert (await page.delete("/api/session")).status_code == 204
        for socket in ended:
            await socket.expect_close(4010)
        for socket in kept:
            await socket.send('{"type":"ping","id":1}')
            assert await socket.receive_type("pong")


async def test_sign_out_on_the_page_closes_sockets(knock: Any, page: httpx.AsyncClient) -> None:
    socket = await knock(**session_cookie(page))
    await who(socket)
    answer = await page.post("/accounts/sign-out/", headers={"Referer": str(page.base_url)})
    assert answer.status_code == 302
    await socket.expect_close(4010)


async def test_a_new_password_ends_every_session(server: Server, knock: Any, ada: Account, page: httpx.AsyncClient) -> None:
    async with anonymous(server.base_url) as http:
        phone = await signed_in(http, ada)
        sockets = [await knock(**session_cookie(browser)) for browser in (page, phone) for _ in range(2)]
        sockets.append(await knock(f"?ticket={await ticket_of(phone)}"))
        by_token = await knock(f"?token={ada.token}")
        unused = await ticket_of(phone)
        for socket in [*sockets, by_token]:
            await who(socket)
        form = {"old_password": ada.password, "new_password1": "a better horse", "new_password2": "a better horse"}
        answer = await page.post("/accounts/password/", data=form)
        assert answer.status_code == 302, answer.text
        for socket in sockets:
            await socket.expect_close(4010)
        await (await knock(**session_cookie(phone))).expect_close(4003)
        await (await knock(f"?ticket={unused}")).expect_close(4003)
        assert await who(await knock(**session_cookie(page))) == ada.id, "the session that changes the password stays signed in"
        await by_token.send('{"type":"ping","id":1}')
        assert await by_token.receive_type("pong")


async def test_session_after_a_password_change_stays(server: Server, knock: Any, ada: Account, page: httpx.AsyncClient) -> None:
    """Processes without a socket of hers hear of the change late.

    It must not end a later session.
    """
    form = {"old_password": ada.password, "new_password1": "a better horse", "new_password2": "a better horse"}
    assert (await page.post("/accounts/password/", data=form)).status_code == 302
    async with anonymous(server.base_url) as http:
        phone = await signed_in(http, replace(ada, password="a better horse"))
        sockets = [await knock(**session_cookie(phone)) for _ in range(4)]
        for socket in sockets:
            await who(socket)
        await asyncio.sleep(4)  # longer than the interval between two polls
        for socket in sockets:
            await socket.send('{"type":"ping","id":1}')
            assert await socket.receive_type("pong")


# --- logs


async def test_no_credential_reaches_a_log(start_server: StartServer) -> None:
    server = start_server(LOG_LEVEL="debug")
    ada = await sign_up(server.base_url)
    async with anonymous(server.base_url) as http:
        page = await signed_in(http, ada)
        ticket, cookie = await ticket_of(page), session_cookie(page)
        for query, headers in (
            (f"?token={ada.token}", {}),
            (f"?ticket={ticket}", {}),
            ("", ada.headers),
            ("", cookie),
            (f"?a=b&token={ada.token}bad", {}),
            (f"?ticket={ticket}", {}),
        ):
            async with PlainSocket(server.ws_url("/ws/" + query), headers=headers) as socket:
                await socket.receive(timeout=5) if "bad" not in query and query != f"?ticket={ticket}" else None
        # Three requests: no WebSocket handshake, a malformed one, and a handshake that fails.
        await http.get(f"/ws/?token={ada.token}")
        await http.get(f"/api/me?token={ada.token}&x=%00", headers=ada.headers)
        await http.get(f"/nothing-here?ticket={ticket}")
        await http.post("/api/token", json={"username": ada.name, "password": ada.password + "wrong"})
    server.stop()
    log = server.log
    assert log.strip()
    for secret in (ada.token, ticket, cookie["Cookie"].split("=")[1], ada.password):
        assert secret not in log
