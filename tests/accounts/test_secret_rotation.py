"""SECRET_KEY is replaced, and all people stay signed in."""

import httpx
import pytest
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import ConnectionClosed

from tests.conftest import StartServer
from tests.support.api import anonymous, session_cookie, signed_in
from tests.support.chat_client import sign_up
from tests.support.server import Server

pytestmark = pytest.mark.once

OLD, NEW = "old-key-" + "abcdefghijkl" * 4, "new-key-" + "mnopqrstuvwx" * 4


def restart(server: Server, **keys: str) -> None:
    """Start it on the same data with other keys."""
    server.stop()
    server.env |= keys
    server.start()


async def hello(server: Server, cookie: dict[str, str] | None = None, query: str = "") -> bool:
    """Return whether a socket is greeted."""
    headers = {"Origin": server.base_url} | (cookie or {})
    async with open_socket(server.ws_url(f"/ws/{query}"), additional_headers=headers) as socket:
        try:
            return '"hello"' in str(await socket.recv())
        except ConnectionClosed:
            return False


async def api_status(http: httpx.AsyncClient) -> int:
    return (await http.get("/api/rooms")).status_code


async def test_sessions_outlive_a_new_key_and_end_with_the_fallback(start_server: StartServer) -> None:
    server = start_server(SECRET_KEY=OLD)
    ada = await sign_up(server.base_url)
    async with anonymous(server.base_url) as http:
        await signed_in(http, ada)
        cookie, name = session_cookie(http), http.cookies["sessionid"]
        restart(server, SECRET_KEY=OLD, SECRET_KEY_FALLBACKS=NEW)
        assert (await api_status(http), await hello(server, cookie)) == (200, True)
        restart(server, SECRET_KEY=NEW, SECRET_KEY_FALLBACKS=OLD)
        for _ in range(3):  # the session keeps its name: no answer of the API could give the browser another one
            assert (await api_status(http), await hello(server, cookie)) == (200, True)
        page = await http.get("/")
        assert page.status_code == 200
        assert await api_status(http) == 200, "a page gives the browser a session of the new key"
        restart(server, SECRET_KEY=NEW, SECRET_KEY_FALLBACKS="")
        assert await api_status(http) == 200
        http.cookies.clear()
        http.cookies.set("sessionid", name)
        assert await api_status(http) == 401, "the old session ended with its key"


async def test_ticket_of_one_key_is_good_where_the_other_is_used(start_server: StartServer) -> None:
    """While servers are replaced, a ticket may be bought at one and used at another."""
    server = start_server(SECRET_KEY=OLD, SECRET_KEY_FALLBACKS=NEW)
    ada = await sign_up(server.base_url)
    async with anonymous(server.base_url) as http:
        await signed_in(http, ada)
        token = http.cookies.get("csrftoken") or ""
        answer = await http.post("/api/tickets", headers={"X-CSRFToken": token, "Origin": server.base_url})
        assert answer.is_success, answer.text
        restart(server, SECRET_KEY=NEW, SECRET_KEY_FALLBACKS=OLD)
        assert await hello(server, query=f"?ticket={answer.json()['ticket']}")


def test_guessable_fallback_is_refused(start_server: StartServer) -> None:
    server = start_server(SECRET_KEY=OLD)
    server.stop()
    server.env |= {"DEPLOYMENT": "production", "SECRET_KEY_FALLBACKS": "short"}
    with pytest.raises(Exception, match="SECRET_KEY_FALLBACKS has 5 characters"):
        server.start()
