"""Equal names: case, script and composition do not matter, on any database."""

import asyncio
import secrets
from io import StringIO

import httpx
import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from accounts.models import LOOKS_TAKEN, TAKEN, User
from accounts.names import key_of, objection_to
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
# Different keys, equal look: new ones are refused, existing ones stay two people.
ALIKE = [
    ("mike", DOTLESS),
    ("ada", "\u0430d\u0430".replace("d", "\u0501")),  # all Cyrillic
    ("Ian", "lan"),
    ("Bill", "BiII"),
    ("paul", "pau1"),
    ("Anna", "\u0391\u039d\u039d\u0391"),  # all Greek
]
HIDDEN = ["\u3164", "\ufe0f", "\u200d", "\u00ad", "\u034f", "\u202e", "\u2066", "\U000e0061", "\u115f", " "]
DIFFERENT = [("mike", DOTLESS), (DOTLESS, "MIKE"), ("ian", "lan")]


async def token(http: httpx.AsyncClient, name: str, password: str) -> httpx.Response:
    return await http.post("/api/token", json={"username": name, "password": password})


@pytest.mark.parametrize(("one", "other"), SAME, ids=ascii)
async def test_equal_names_belong_to_one_user_found_by_both(server: Server, one: str, other: str) -> None:
    tail = "-" + secrets.token_hex(4)
    account, asking = await sign_up(server.base_url, one + tail), await sign_up(server.base_url)
    async with anonymous(server.base_url) as http:
        answer = await http.post("/api/signup", json={"username": other + tail, "password": "correct horse"})
        problem = assert_problem(answer, 400, "invalid")
        assert problem["errors"] == {"username": ["That name is taken."]}
        assert (await token(http, other + tail, account.password)).status_code == 200
    await assert_found(server, asking, other + tail, account)


@pytest.mark.parametrize(("one", "other"), ALIKE, ids=ascii)
async def test_name_that_looks_like_a_taken_one_is_refused(server: Server, one: str, other: str) -> None:
    tail = f"-{secrets.token_hex(4)}"
    await sign_up(server.base_url, one + tail)
    async with anonymous(server.base_url) as http:
        answer = await http.post("/api/signup", json={"username": other + tail, "password": "correct horse"})
        assert assert_problem(answer, 400, "invalid")["errors"] == {"username": [LOOKS_TAKEN]}


@pytest.mark.parametrize(
    "name", ["room", "ROOM", "\uff32oom", "r00m", "deleted-7", "Deleted-7-x", "de1eted-7", "deleted-"], ids=ascii
)
async def test_name_that_stands_for_something_else_is_refused(server: Server, name: str) -> None:
    """`@room` names everybody, and `deleted-7` is the deleted person 7."""
    async with anonymous(server.base_url) as http:
        answer = await http.post("/api/signup", json={"username": name, "password": "correct horse"})
        problem = assert_problem(answer, 400, "invalid")
        assert problem["errors"] == {"username": ["Hubbub keeps that name, and names that look like it, for itself."]}


@pytest.mark.parametrize("name", ["rooms", "roomy", "deleted", "undeleted-7", "ada-room"])
def test_name_that_only_holds_a_kept_one_is_fine(name: str) -> None:
    assert objection_to(name) is None


@pytest.mark.parametrize("hidden", HIDDEN, ids=ascii)
async def test_invisible_character_makes_no_other_name(server: Server, hidden: str) -> None:
    account, asking = await sign_up(server.base_url), await sign_up(server.base_url)
    async with anonymous(server.base_url) as http:
        answer = await http.post("/api/signup", json={"username": account.name + hidden, "password": "correct horse"})
        (found,) = assert_problem(answer, 400, "invalid")["errors"]["username"]
        assert found == TAKEN if hidden == " " else f"U+{ord(hidden):04X}" in found or "U+1160" in found
        assert (await token(http, hidden + account.name, account.password)).status_code == 200
    await assert_found(server, asking, account.name + hidden, account)


async def test_look_alikes_signed_up_at_once_go_to_one_user(server: Server) -> None:
    tail = f"-{secrets.token_hex(4)}"
    names = ["pau1", "paul", "pauI", "PauL"]
    async with anonymous(server.base_url) as http:
        bodies = [{"username": name + tail, "password": "correct horse"} for name in names]
        answers = await asyncio.gather(*[http.post("/api/signup", json=body) for body in bodies])
    assert sorted(answer.status_code for answer in answers) == [201, 400, 400, 400]


@pytest.mark.django_db
@pytest.mark.parametrize(("one", "other"), DIFFERENT, ids=ascii)
def test_look_alikes_of_an_earlier_release_stay_two_users(one: str, other: str) -> None:
    first = User.objects.create_user(one, password="correct horse")
    (second,) = User.objects.bulk_create([User(username=other, name_key=key_of(other))])  # as the migration leaves it
    assert User.objects.get_by_natural_key(one) == first
    assert User.objects.get_by_natural_key(other.upper() if other.isascii() else other) == second
    second.first_name = "Mike"
    second.full_clean(exclude=["password"])
    second.save()  # as an administrator's page does


async def assert_found(server: Server, asking: Account, name: str, account: Account) -> None:
    """Find the user by every call that takes a name: `to`, an invitation, the search."""
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


async def test_name_with_nul_is_not_found(server: Server) -> None:
    asking = await sign_up(server.base_url)
    async with anonymous(server.base_url) as http:
        assert (await token(http, "nobody\0", "correct horse")).status_code == 401
    async with ChatClient(server.ws_url(), asking) as chat:
        with pytest.raises(Refused):
            await chat.request("message.send", to="nobody\0", text="hi", key="k")


@pytest.mark.django_db
def test_every_way_to_create_a_user_stores_the_key() -> None:
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


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["a b", "room", "deleted-3", "\u0430dmin", "x\x01", "x" * 65, "", "Mallory"])
def test_administrators_have_no_name_that_others_may_not(name: str) -> None:
    """Django's own command would look at the length alone."""
    User.objects.create(username="mallory")
    options = {"interactive": False, "username": name, "email": "", "stderr": StringIO()}
    with pytest.raises(CommandError):
        call_command("createsuperuser", **options)
    assert User.objects.count() == 1
    if name != "Mallory":
        with pytest.raises(CommandError, match="is no name for an account") as refused:
            call_command("account", name, new=True)
        assert refused.value.returncode == 3
    call_command("account", " Zo\u00eb ", new=True)
    call_command("createsuperuser", **options | {"username": " Zo\u00eb "})
    assert User.objects.get(is_superuser=True).username == "Zo\u00eb"


def test_key_of_a_key_is_the_key_itself() -> None:
    for name in [name for pair in SAME + ALIKE for name in pair]:
        assert key_of(key_of(name)) == key_of(name)
