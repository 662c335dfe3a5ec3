"""When two names are one person: without case, in every script, and the same on every database."""

import secrets

import httpx
import pytest
from django.core.exceptions import ValidationError

from accounts.models import User
from accounts.names import key_of
from tests.support.api import anonymous, assert_problem, with_token
from tests.support.chat_client import Account, ChatClient, Refused, sign_up
from tests.support.server import Server

DOTLESS = "m\u0131ke"

SAME = [
    ("Ada", "aDA"),
    ("Zo\u00eb", "ZO\u00cb"),
    ("Zo\u00eb", "Zoe\u0308"),
    ("ada", "\uff21\uff44\uff41"),  # full width
    ("stra\u00dfe", "STRASSE"),
    ("\u03c3\u03bf\u03c6\u03cc\u03c2", "\u03a3\u039f\u03a6\u038c\u03a3"),  # two small sigmas
    ("\u0130da", "\u0130DA"),  # capital I with a dot
    ("\u0410\u0434\u0430", "\u0430\u0434\u0430"),  # Cyrillic
]
DIFFERENT = [("mike", DOTLESS), (DOTLESS, "mike"), ("MIKE", DOTLESS), (DOTLESS, "MIKE")]


async def token(http: httpx.AsyncClient, name: str, password: str) -> httpx.Response:
    return await http.post("/api/token", json={"username": name, "password": password})


@pytest.mark.parametrize(("one", "other"), SAME, ids=ascii)
async def test_the_same_name_goes_to_one_person_who_is_found_by_both(server: Server, one: str, other: str) -> None:
    tail = "-" + secrets.token_hex(4)
    account, asking = await sign_up(server.base_url, one + tail), await sign_up(server.base_url)
    async with anonymous(server.base_url) as http:
        answer = await http.post("/api/signup", json={"username": other + tail, "password": "correct horse"})
        problem = assert_problem(answer, 400, "invalid")
        assert problem["errors"] == {"username": ["That name is taken."]}
        assert (await token(http, other + tail, account.password)).status_code == 200
    await assert_found(server, asking, other + tail, account)


@pytest.mark.parametrize(("one", "other"), DIFFERENT, ids=ascii)
async def test_who_only_looks_alike_gets_nobody_elses_mail(server: Server, one: str, other: str) -> None:
    tail = "-" + secrets.token_hex(4)
    first, second = await sign_up(server.base_url, one + tail), await sign_up(server.base_url, other + tail)
    asking = await sign_up(server.base_url)
    async with anonymous(server.base_url) as http:
        for me, them in ((first, second), (second, first)):
            assert (await token(http, me.name, me.password)).status_code == 200
            assert (await token(http, me.name, them.password)).status_code == 401
    await assert_found(server, asking, first.name, first)
    await assert_found(server, asking, second.name.upper() if second.name.isascii() else second.name, second)


async def assert_found(server: Server, asking: Account, name: str, account: Account) -> None:
    """By everything that takes a name: `to`, an invitation, the search."""
    async with ChatClient(server.ws_url(), asking) as chat:
        sent = await chat.request("message.send", to=name, text="hi", key=secrets.token_hex(8))
        low, high = sorted([asking.id, account.id])
        assert sent["room"] == f"dm-{low}-{high}"
    async with with_token(server.base_url, asking) as http:
        room = "room-" + secrets.token_hex(5)
        assert (await http.post("/api/rooms", json={"slug": room, "private": True})).status_code == 201
        invited = await http.post(f"/api/rooms/{room}/members", json={"user": name})
        assert (invited.status_code, invited.json()["id"]) == (201, account.id)
        found = (await http.get("/api/users", params={"query": name})).json()["users"]
        assert [person["id"] for person in found] == [account.id]


async def test_nobody_has_a_name_with_nul(server: Server) -> None:
    asking = await sign_up(server.base_url)
    async with anonymous(server.base_url) as http:
        assert (await token(http, "nobody\0", "correct horse")).status_code == 401
    async with ChatClient(server.ws_url(), asking) as chat:
        with pytest.raises(Refused):
            await chat.request("message.send", to="nobody\0", text="hi", key="k")


@pytest.mark.django_db
def test_every_way_to_make_a_user_keeps_the_key() -> None:
    made = [
        User.objects.create(username="Zo\u00eb"),
        User.objects.create_user("BOB"),
        User.objects.create_superuser("Root", password="correct horse"),
    ]
    assert [user.name_key for user in made] == ["zo\u00eb", "bob", "root"]
    made[1].username = "Carol"
    made[1].save(update_fields=["username"])
    assert User.objects.get_by_natural_key("cAROL") == made[1]
    with pytest.raises(ValidationError, match="taken"):
        User(username="ZO\u00cb", password="x").full_clean()
    made[0].full_clean(exclude=["password"])


def test_a_key_is_the_key_of_itself() -> None:
    for name in [name for pair in SAME + DIFFERENT for name in pair]:
        assert key_of(key_of(name)) == key_of(name)
