"""All ways to change a user or a room: API, admin pages, other programs."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import httpx

from tests.support.api import anonymous, signed_in, with_token
from tests.support.chat_client import Account, sign_up
from tests.support.server import Server

PEOPLE, ROOMS = "/admin/accounts/user/", "/admin/rooms/room/"


@dataclass
class World:
    """The users: `ada` owns `room`, `bob` is a member, `boss` administers."""

    server: Server
    ada: Account
    bob: Account
    boss: Account
    room: str
    # Bob's signed-in browser.
    page: httpx.AsyncClient


Way = Callable[[World], Awaitable[None]]


async def shell(world: World, code: str) -> None:
    """Run lines in another process, without event loop and sockets."""
    imports = (
        "from accounts.models import ApiToken, User; from chat.models import Event; "
        "from rooms.models import Block, Membership, Room; "
        "from django.contrib.sessions.models import Session; from django.utils import timezone"
    )
    await asyncio.to_thread(world.server.shell, f"{imports}\n{code}")


async def api(world: World, person: Account, method: str, path: str, **fields: object) -> None:
    async with with_token(world.server.base_url, person) as http:
        answer = await http.request(method, path, json=fields or None)
    assert answer.is_success, answer.text


async def admin(world: World, path: str, change: Mapping[str, str | None]) -> None:
    """Submit a form of the administrator's pages with changed fields.

    None removes a field.
    """
    async with anonymous(world.server.base_url) as http:
        await submit(await signed_in(http, world.boss), path, change)


async def submit(boss: httpx.AsyncClient, path: str, change: Mapping[str, str | None]) -> None:
    """Submit a form as `admin` does, in a signed-in administrator's browser."""
    page = await boss.get(path)
    assert page.status_code == httpx.codes.OK, page.text
    fields = {**fields_of(page.text), **change}
    answer = await boss.post(path, data={name: value for name, value in fields.items() if value is not None})
    assert answer.status_code == httpx.codes.FOUND, answer.text


def fields_of(page: str) -> dict[str, str]:
    """Return a browser's fields of the form: texts, ticked boxes, options."""
    fields: dict[str, str] = {}
    for tag in re.findall(r"<input[^>]*>", page):
        found = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if found.get("type") == "checkbox":
            if " checked" in tag:
                fields[found["name"]] = "on"
        elif "name" in found and found.get("type") not in {"submit", "button", "radio"}:
            fields[found["name"]] = found.get("value", "")
    for name, options in re.findall(r'<select name="([^"]+)"[^>]*>(.*?)</select>', page, re.DOTALL):
        if chosen := re.search(r'<option value="([^"]*)" selected', options):
            fields[name] = chosen[1]
    return fields


async def room_id(world: World) -> int:
    code = f"from rooms.models import Room; print(Room.objects.get(slug='{world.room}').id)"
    return int(await asyncio.to_thread(world.server.shell, code))


def administrator(server: Server) -> Account:
    """Return a user with access to the administrator's pages."""
    return asyncio.run(new_administrator(server))


async def new_administrator(server: Server) -> Account:
    """Make a user with access to the administrator's pages."""
    account = await sign_up(server.base_url)
    change = f"from accounts.models import User; User.objects.filter(id={account.id}).update(is_staff=True, is_superuser=True)"
    await asyncio.to_thread(server.shell, change)
    return account
