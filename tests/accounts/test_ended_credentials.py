"""A credential that ends in any way closes its own sockets within 5 s."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import NamedTuple

import httpx
import pytest

from tests.realtime.change_ways import PEOPLE, World, admin, administrator, shell
from tests.support.api import anonymous, session_cookie, signed_in, with_token
from tests.support.chat_client import Account, sign_up
from tests.support.plain_socket import PlainSocket
from tests.support.server import Server, manage

NEW = "a better horse 7"


class Row(NamedTuple):
    what: str
    way: str
    by: Callable[[World], Awaitable[None]]
    # The sockets that end: those of this session, of another session, of a token.
    ends: str
    staff: bool = False


async def post(world: World, path: str, **fields: str) -> None:
    answer = await world.page.post(path, data=fields, headers={"Referer": str(world.page.base_url)})
    assert answer.status_code in {200, 204, 302}, answer.text


async def signed_out_by_api(world: World) -> None:
    assert (await world.page.delete("/api/session")).status_code == 204


async def signed_out_by_form(world: World) -> None:
    await post(world, "/accounts/sign-out/")


async def signed_out_by_admin(world: World) -> None:
    await post(world, "/admin/logout/")


async def replaced_by_form(world: World) -> None:
    await post(world, "/admin/login/", username=world.ada.name, password=world.ada.password)


async def replaced_by_api(world: World) -> None:
    await signed_in(world.page, world.ada)


async def session_deleted(world: World) -> None:
    await shell(world, f"Session.objects.filter(session_key='{world.page.cookies['sessionid']}').delete()")


async def session_ran_out(world: World) -> None:
    soon = "timezone.now() + timezone.timedelta(seconds=1)"
    await shell(world, f"Session.objects.filter(session_key='{world.page.cookies['sessionid']}').update(expire_date={soon})")


async def sessions_swept(world: World) -> None:
    key = world.page.cookies["sessionid"]
    await shell(world, f"Session.objects.filter(session_key='{key}').update(expire_date=timezone.now())")
    await asyncio.to_thread(manage, "clearsessions", env=world.server.env)


async def token_evicted(world: World) -> None:
    await shell(
        world,
        f"ApiToken.objects.bulk_create(ApiToken(user_id={world.bob.id}, digest=f'{world.bob.id}-{{n}}') for n in range(99))",
    )
    async with anonymous(world.server.base_url) as http:
        answer = await http.post("/api/token", json={"username": world.bob.name, "password": world.bob.password})
    assert answer.status_code == httpx.codes.OK


async def token_deleted(world: World) -> None:
    await shell(world, f"ApiToken.objects.filter(user_id={world.bob.id}).delete()")


async def token_ended_by_itself(world: World) -> None:
    async with with_token(world.server.base_url, world.bob) as http:
        assert (await http.delete("/api/session")).status_code == 204


async def password_by_form(world: World) -> None:
    await post(world, "/accounts/password/", old_password=world.bob.password, new_password1=NEW, new_password2=NEW)


async def password_by_admin_form(world: World) -> None:
    await post(world, "/admin/password_change/", old_password=world.bob.password, new_password1=NEW, new_password2=NEW)


async def password_set_by_admin(world: World) -> None:
    new = {"usable_password": "true", "password1": NEW, "password2": NEW, "set-password": "1"}
    await admin(world, f"{PEOPLE}{world.bob.id}/password/", new)


async def password_by_command(world: World) -> None:
    code = f"user = User.objects.get(id={world.bob.id}); user.set_password('{NEW}'); user.save()"  # as changepassword does
    await shell(world, code)


async def deactivated_by_admin(world: World) -> None:
    await admin(world, f"{PEOPLE}{world.bob.id}/change/", {"is_active": None})


async def deactivated_by_shell(world: World) -> None:
    await shell(world, f"User.objects.filter(id={world.bob.id}).update(is_active=False)")


async def deleted_by_admin(world: World) -> None:
    await admin(world, f"{PEOPLE}{world.bob.id}/delete/", {"post": "yes"})


async def deleted_by_shell(world: World) -> None:
    await shell(world, f"User.objects.get(id={world.bob.id}).delete()")


ROWS = (
    Row("sign-out", "API", signed_out_by_api, "session"),
    Row("sign-out", "form", signed_out_by_form, "session"),
    Row("sign-out", "admin", signed_out_by_admin, "session", staff=True),
    Row("session replaced", "form", replaced_by_form, "session"),
    Row("session replaced", "API", replaced_by_api, "session"),
    Row("session deleted", "another process", session_deleted, "session"),
    Row("session run out", "time", session_ran_out, "session"),
    Row("session run out", "clearsessions", sessions_swept, "session"),
    Row("token evicted", "API", token_evicted, "token"),
    Row("token deleted", "another process", token_deleted, "token"),
    Row("token ended", "API", token_ended_by_itself, "token"),
    Row("password", "form", password_by_form, "session other"),
    Row("password", "admin form", password_by_admin_form, "session other", staff=True),
    Row("password", "administrator", password_set_by_admin, "session other token"),
    Row("password", "command", password_by_command, "session other"),
    Row("deactivated", "admin", deactivated_by_admin, "session other token"),
    Row("deactivated", "another process", deactivated_by_shell, "session other token"),
    Row("deleted", "admin", deleted_by_admin, "session other token"),
    Row("deleted", "another process", deleted_by_shell, "session other token"),
)


@pytest.fixture(scope="module")
def boss(server: Server) -> Account:
    return administrator(server)


@pytest.fixture
async def world(server: Server, boss: Account) -> AsyncIterator[World]:
    ada, bob = await sign_up(server.base_url), await sign_up(server.base_url)
    async with anonymous(server.base_url) as http:
        yield World(server, ada, bob, boss, "lobby", await signed_in(http, bob))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.what} by {row.way}")
async def test_ended_credential_closes_its_sockets(world: World, row: Row) -> None:
    if row.staff:
        await shell(world, f"User.objects.filter(id={world.bob.id}).update(is_staff=True)")
    async with AsyncExitStack() as exits:

        async def opened(headers: dict[str, str]) -> PlainSocket:
            socket = await exits.enter_async_context(PlainSocket(world.server.ws_url(), headers=headers))
            await socket.receive_type("hello")
            return socket

        phone = await signed_in(await exits.enter_async_context(anonymous(world.server.base_url)), world.bob)
        sockets = {
            "session": await opened(session_cookie(world.page)),
            "other": await opened(session_cookie(phone)),
            "token": await opened(world.bob.headers),
            "ada": await opened(world.ada.headers),
        }
        await row.by(world)
        for name in row.ends.split():
            await sockets.pop(name).expect_close(4010, timeout=6 if row.way == "time" else 5)
        for name, socket in sockets.items():
            await socket.send('{"type":"ping","id":1}')
            assert await socket.receive_type("pong"), name


# Ends of a credential that leave its tickets valid.
BY_OTHERS = tuple(
    row
    for row in ROWS
    if row.by in {session_deleted, replaced_by_api, token_deleted, token_evicted, password_by_command, deactivated_by_shell}
)


@pytest.mark.parametrize("row", BY_OTHERS, ids=lambda row: f"{row.what} by {row.way}")
async def test_ticket_of_an_ended_credential_is_worth_nothing(world: World, row: Row) -> None:
    """A ticket stays valid for 30 s, even if its credential has ended.

    A socket that it opens ends within 5 s all the same.
    """
    async with AsyncExitStack() as exits:
        phone = await signed_in(await exits.enter_async_context(anonymous(world.server.base_url)), world.bob)
        program = await exits.enter_async_context(with_token(world.server.base_url, world.bob))
        bought = {}
        for name, http in {"session": world.page, "other": phone, "token": program}.items():
            answer = await http.post("/api/tickets")
            assert answer.status_code == httpx.codes.CREATED, answer.text
            bought[name] = answer.json()["ticket"]
        await row.by(world)
        for name, ticket in bought.items():
            socket = await exits.enter_async_context(PlainSocket(f"{world.server.ws_url()}?ticket={ticket}"))
            if name in row.ends.split():
                async with asyncio.timeout(5):
                    await socket.socket.wait_closed()
                assert socket.socket.close_code in {4003, 4010}, name
            else:
                await socket.receive_type("hello")
