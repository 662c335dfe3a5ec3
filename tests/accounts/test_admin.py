"""Admin pages: deactivation, deletion and a new password close a user's sockets."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import httpx
import pytest

from tests.realtime.change_ways import PEOPLE, new_administrator, submit
from tests.support.api import anonymous, session_cookie, signed_in
from tests.support.chat_client import Account, sign_up
from tests.support.plain_socket import PlainSocket
from tests.support.server import Server

Sockets = Callable[[Account], Awaitable[list[PlainSocket]]]


@pytest.fixture
async def boss(server: Server) -> Account:
    return await new_administrator(server)


@pytest.fixture
async def admin(server: Server, boss: Account) -> AsyncIterator[httpx.AsyncClient]:
    async with anonymous(server.base_url) as http:
        yield await signed_in(http, boss)


@pytest.fixture
async def sockets(server: Server) -> AsyncIterator[Sockets]:
    """Open three sockets of one user: by session and by token."""
    async with AsyncExitStack() as exits:

        async def opened(account: Account) -> list[PlainSocket]:
            page = await signed_in(await exits.enter_async_context(anonymous(server.base_url)), account)
            by = [session_cookie(page), session_cookie(page), account.headers]
            found = [await exits.enter_async_context(PlainSocket(server.ws_url(), headers=one)) for one in by]
            for socket in found:
                await socket.receive_type("hello")
            return found

        yield opened


async def test_deactivation_closes_all_sockets_of_the_user(server: Server, admin: httpx.AsyncClient, sockets: Sockets) -> None:
    ada, bob = await sign_up(server.base_url), await sign_up(server.base_url)
    ended, kept = await sockets(ada), await sockets(bob)
    await submit(admin, f"{PEOPLE}{ada.id}/change/", {"first_name": "Ada"})
    for socket in [*ended, *kept]:
        await socket.send('{"type":"ping","id":1}')
        assert await socket.receive_type("pong"), "an unrelated change closes no socket"
    await submit(admin, f"{PEOPLE}{ada.id}/change/", {"is_active": None})
    for socket in ended:
        await socket.expect_close(4010)
    for socket in kept:
        await socket.send('{"type":"ping","id":2}')
        assert await socket.receive_type("pong")
    async with PlainSocket(server.ws_url(), headers=ada.headers) as socket:
        await socket.expect_close(4003)


async def test_password_set_by_an_admin_ends_old_sessions(
    server: Server, admin: httpx.AsyncClient, boss: Account, sockets: Sockets
) -> None:
    ada = await sign_up(server.base_url)
    new = {"usable_password": "true", "password1": "a better horse", "password2": "a better horse", "set-password": "1"}
    for person in (ada, boss):
        ended = await sockets(person)
        await submit(admin, f"{PEOPLE}{person.id}/password/", new)
        for socket in ended:
            await socket.expect_close(4010)
    assert (await admin.get(PEOPLE)).status_code == 200, "an admin who changes their own password stays signed in"


async def test_deletion_closes_all_sockets_of_the_user(server: Server, admin: httpx.AsyncClient, sockets: Sockets) -> None:
    ada, bob, carol = [await sign_up(server.base_url) for _ in range(3)]
    ended = await sockets(ada)
    await submit(admin, f"{PEOPLE}{ada.id}/delete/", {"post": "yes"})
    for socket in ended:
        await socket.expect_close(4010)
    ended = [*await sockets(bob), *await sockets(carol)]
    token = {"csrfmiddlewaretoken": admin.cookies["csrftoken"]}
    several = token | {"action": "delete_selected", "_selected_action": [str(bob.id), str(carol.id)], "post": "yes"}
    assert (await admin.post(PEOPLE, data=several)).status_code == 302
    for socket in ended:
        await socket.expect_close(4010)


async def test_servers_find_changes_of_other_processes_by_polling(server: Server, sockets: Sockets) -> None:
    """A command sends no signal: the database rows suffice, even for a deleted user."""
    ada = await sign_up(server.base_url)
    ended = await sockets(ada)
    server.shell(f"from accounts.models import User; User.objects.get(id={ada.id}).delete()")
    for socket in ended:
        await socket.expect_close(4010, timeout=5)


async def test_guesses_at_the_admin_sign_in_are_throttled(server: Server, boss: Account) -> None:
    async with anonymous(server.base_url) as http:
        page = await http.get("/admin/login/?next=/admin/")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert token
        statuses: list[int] = []
        while len(statuses) < 21 and 429 not in statuses:  # the time window of the limit may end in between
            body = {"username": boss.name, "password": "wrong", "csrfmiddlewaretoken": token[1]}
            statuses.append((await http.post("/admin/login/?next=/admin/", data=body)).status_code)
        assert statuses[-1] == 429
