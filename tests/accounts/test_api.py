"""/api/: accounts, sessions, tokens, people; the answer and the errors of each."""

import asyncio
import json
import secrets
from typing import Any

import httpx
import pytest
from django.contrib.auth.hashers import make_password

from accounts.models import User
from tests.conftest import StartServer
from tests.support.api import anonymous, assert_problem, signed_in, with_token
from tests.support.chat_client import Account, sign_up
from tests.support.server import Server


def fresh() -> str:
    return f"new-{secrets.token_hex(5)}"


async def post(http: httpx.AsyncClient, path: str, body: Any, method: str = "POST") -> httpx.Response:
    """Post JSON with escaped non-ASCII characters.

    httpx itself does not send a lone surrogate.
    """
    return await http.request(method, path, content=json.dumps(body), headers={"Content-Type": "application/json"})


# --- sign-up


async def test_sign_up_returns_an_account_and_a_working_token(server: Server) -> None:
    name = fresh()
    async with anonymous(server.base_url) as http:
        answer = await http.post("/api/signup", json={"username": name, "password": "correct horse"})
        assert answer.status_code == 201
        body = answer.json()
        assert set(body) == {"user", "token"}
        assert set(body["user"]) == {"id", "name"}
        assert (type(body["user"]["id"]), body["user"]["name"]) == (int, name)
        me = await http.get("/api/me", headers={"Authorization": f"Token {body['token']}"})
        assert me.json() == {"user": body["user"]}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"username", "password"}),
        ({"username": "somebody-new"}, {"password"}),
        ({"password": "correct horse"}, {"username"}),
        ({"username": "", "password": "correct horse"}, {"username"}),
        ({"username": "   ", "password": "correct horse"}, {"username"}),
        ({"username": "with space", "password": "correct horse"}, {"username"}),
        ({"username": "a|b", "password": "correct horse"}, {"username"}),
        ({"username": "\u3164", "password": "correct horse"}, {"username"}),
        ({"username": "\ufe0f\u200d", "password": "correct horse"}, {"username"}),
        ({"username": "p\u0430ypal", "password": "correct horse"}, {"username"}),  # a Cyrillic a
        ({"username": "1\u0663", "password": "correct horse"}, {"username"}),  # an Arabic digit
        ({"username": "\u0301ada", "password": "correct horse"}, {"username"}),
        ({"username": "a" + "\u0316" * 5, "password": "correct horse"}, {"username"}),
        ({"username": "line\nbreak", "password": "correct horse"}, {"username"}),
        ({"username": "nul\0", "password": "correct horse"}, {"username"}),
        ({"username": "x" * 65, "password": "correct horse"}, {"username"}),
        ({"username": 7, "password": "correct horse"}, {"username"}),
        ({"username": None, "password": None}, {"username", "password"}),
        ({"username": ["a"], "password": {}}, {"username", "password"}),
        ({"username": "somebody-new", "password": ""}, {"password"}),
        ({"username": "somebody-new", "password": "short12"}, {"password"}),
        ({"username": "somebody-new", "password": "password123"}, {"password"}),
        ({"username": "a b", "password": "short"}, {"username", "password"}),
    ],
    ids=ascii,
)
async def test_sign_up_names_each_wrong_field(server: Server, body: dict[str, Any], fields: set[str]) -> None:
    async with anonymous(server.base_url) as http:
        problem = assert_problem(await post(http, "/api/signup", body), 400, "invalid")
        assert set(problem["errors"]) == fields


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"x"',
        b"\xff\xfe",
        b"[" * 50_000,
        b'{"username":NaN}',
        b'{"username":"a","password":"\\ud800 alone"}',
    ],
    ids=ascii,
)
async def test_non_object_body_is_refused(server: Server, body: bytes) -> None:
    async with anonymous(server.base_url) as http:
        answer = await http.post("/api/signup", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, answer.text
        assert_problem(answer, 400, answer.json()["code"])
        assert answer.json()["code"] in {"bad_json", "invalid"}


@pytest.mark.parametrize("depth", [200, 900, 100_000])
@pytest.mark.parametrize("path", ["/api/signup", "/api/rooms", "/api/leave", "/api/frames", "/api/hooks/x", "/api/blocks"])
async def test_deeply_nested_body_is_a_refusal(server: Server, ada: Account, path: str, depth: int) -> None:
    body = b'{"username":' + b'[{"a":' * depth + b"1" + b"}]" * depth + b"}"
    async with with_token(server.base_url, ada) as http:
        answer = await http.post(path, content=body, headers={"Content-Type": "application/json", "Hubbub-Stream": "a.b.c"})
        assert 400 <= answer.status_code < 500, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
    assert "Traceback" not in server.log


@pytest.mark.parametrize("body", [[None, None], [], [["title", "x"]], "x", 1, None], ids=str)
async def test_non_object_body_changes_nothing(server: Server, ada: Account, body: Any) -> None:
    async with with_token(server.base_url, ada) as http:
        room = (await http.post("/api/rooms", json={"slug": fresh()})).json()["slug"]
        assert_problem(await post(http, f"/api/rooms/{room}", body, method="PATCH"), 400, "invalid")


async def test_endless_body_is_cut_off(server: Server) -> None:
    async with anonymous(server.base_url) as http:
        answer = await http.post("/api/signup", json={"username": "x" * 3_000_000, "password": "correct horse"})
        assert_problem(answer, 413, "too_large")


@pytest.mark.parametrize(
    "name", ["x" * 64, "ada.lovelace+chat@example_host-1", "Zoë", "Ада", "愛達", "०१", "हिन्दी", "ñaïve", "日本ア語abc"], ids=ascii
)
async def test_names_of_any_script_are_accepted(server: Server, name: str) -> None:
    name = f"{secrets.token_hex(4)}-{name}"[:64]
    assert (await sign_up(server.base_url, name)).name == name


async def test_name_is_taken_in_every_case_and_form(server: Server) -> None:
    name = "Ze\u0301-" + secrets.token_hex(4)
    account = await sign_up(server.base_url, name)
    async with anonymous(server.base_url) as http:
        assert account.name != name, "names are kept composed (NFKC)"
        for taken in (account.name, account.name.upper(), account.name.lower(), name):
            answer = await http.post("/api/signup", json={"username": taken, "password": "correct horse"})
            assert set(assert_problem(answer, 400, "invalid")["errors"]) == {"username"}, taken


async def test_name_requested_by_many_at_once_goes_to_one_user(server: Server) -> None:
    name = fresh()
    async with anonymous(server.base_url) as http:
        body = {"username": name, "password": "correct horse"}
        answers = await asyncio.gather(*[http.post("/api/signup", json=body) for _ in range(8)])
    assert sorted(answer.status_code for answer in answers) == [201] + [400] * 7


async def test_closed_sign_up_is_refused(start_server: StartServer) -> None:
    server = start_server(SIGNUP_OPEN="false")
    async with anonymous(server.base_url) as http:
        answer = await http.post("/api/signup", json={"username": fresh(), "password": "correct horse"})
        assert_problem(answer, 403, "signup_closed")
        page = await http.get("/accounts/sign-up/")
        assert (page.status_code, "Sign-up is closed" in page.text) == (403, True)
        assert "/accounts/sign-up/" not in (await http.get("/")).text
    assert "SIGNUP_OPEN" in server.log


# --- sessions and tokens


@pytest.mark.parametrize(
    ("set_as", "typed"),
    [
        ("Stra\u00dfe \u00e9t\u00e9", "Stra\u00dfe e\u0301te\u0301"),
        ("e\u0301te\u0301 summer", "\u00e9t\u00e9 summer"),
        ("a\u00a0long\u3000way", "a long way"),
    ],
    ids=ascii,
)
async def test_password_matches_in_every_unicode_form(server: Server, set_as: str, typed: str) -> None:
    name = fresh()
    async with anonymous(server.base_url) as http:
        assert (await http.post("/api/signup", json={"username": name, "password": set_as})).status_code == 201
        for password, status in ((set_as, 200), (typed, 200), (typed.upper(), 401)):
            answer = await http.post("/api/token", json={"username": name, "password": password})
            assert answer.status_code == status, ascii(password)


@pytest.mark.django_db
def test_password_hash_of_an_earlier_release_is_valid() -> None:
    typed = "e\u0301te\u0301 e\u0301te\u0301"
    user = User(username="ada", password=make_password(typed))
    assert user.check_password(typed)
    assert not user.check_password("ete ete")


async def test_session_cookie_is_hidden_from_scripts(server: Server, ada: Account) -> None:
    async with anonymous(server.base_url) as http:
        answer = await http.post("/api/session", json={"username": ada.name.upper(), "password": ada.password})
        assert (answer.status_code, answer.content) == (204, b"")
        cookies = {cookie.split("=")[0]: cookie for cookie in answer.headers.get_list("set-cookie")}
        assert "HttpOnly" in cookies["sessionid"]
        assert "SameSite=Lax" in cookies["sessionid"]
        assert "HttpOnly" not in cookies["csrftoken"]
        assert (await http.get("/api/me")).json() == {"user": {"id": ada.id, "name": ada.name}}


async def test_sign_out_ends_the_session_on_the_server_too(server: Server, ada: Account) -> None:
    async with anonymous(server.base_url) as http:
        await signed_in(http, ada)
        kept = http.cookies["sessionid"]
        assert (await http.delete("/api/session")).status_code == 204
        assert_problem(await http.get("/api/me", headers={"Cookie": f"sessionid={kept}"}), 401, "unauthenticated")


async def test_sign_out_with_a_token_ends_that_token_alone(server: Server, ada: Account) -> None:
    async with anonymous(server.base_url) as http:
        body = {"username": ada.name, "password": ada.password}
        ended, kept = [(await http.post("/api/token", json=body)).json()["token"] for _ in range(2)]
        assert (await http.delete("/api/session", headers={"Authorization": f"Token {ended}"})).status_code == 204
        assert_problem(await http.get("/api/me", headers={"Authorization": f"Token {ended}"}), 401, "unauthenticated")
        assert (await http.get("/api/me", headers={"Authorization": f"Token {kept}"})).status_code == 200


WRONG = [{"password": text} for text in ("not hers", "", "\0", "x" * 5000)]
WRONG += [{"username": text} for text in ("nobody-here", "", "\0", "x" * 5000)]


@pytest.mark.parametrize("path", ["/api/session", "/api/token"])
@pytest.mark.parametrize("wrong", WRONG, ids=ascii)
async def test_a_wrong_name_or_password_is_401(server: Server, ada: Account, path: str, wrong: dict[str, str]) -> None:
    async with anonymous(server.base_url) as http:
        body = {"username": ada.name, "password": ada.password} | wrong
        assert_problem(await post(http, path, body), 401, "unauthenticated")
        assert "sessionid" not in http.cookies


async def test_token_is_issued_for_a_password(server: Server, ada: Account) -> None:
    async with anonymous(server.base_url) as http:
        answer = await http.post("/api/token", json={"username": ada.name, "password": ada.password})
        assert (answer.status_code, set(answer.json())) == (200, {"token"})
        token = answer.json()["token"]
        assert token != ada.token
        for known in (token, ada.token):
            assert (await http.get("/api/me", headers={"Authorization": f"Token {known}"})).json()["user"]["id"] == ada.id


@pytest.mark.parametrize("path", ["/api/session", "/api/token"])
async def test_guesses_of_a_password_are_throttled(server: Server, path: str) -> None:
    victim = await sign_up(server.base_url)
    async with anonymous(server.base_url) as http:
        answers: list[httpx.Response] = []
        while len(answers) < 21:  # the time window may end in between and let ten more pass
            answers.append(await http.post(path, json={"username": victim.name, "password": "guess"}))
            if answers[-1].status_code == 429:
                break
        assert [answer.status_code for answer in answers[:10]] == [401] * 10
        answer = answers[-1]
        assert_problem(answer, 429, "rate_limited")
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        # The right password must wait as well; other users need not.
        body = {"username": victim.name.upper(), "password": victim.password}
        assert (await http.post(path, json=body)).status_code == 429


@pytest.mark.parametrize("address", ["2001:db8:64:{0}:{{0:x}}::{{0:x}}", "::ffff:198.51.100.{1}"])
async def test_guesses_from_one_network_are_counted_together(server: Server, address: str) -> None:
    """Guess 60 times from one IPv6 /64, or from one IPv4 address in both its forms."""
    victim = await sign_up(server.base_url)
    address = address.format(f"{secrets.randbelow(2**16):x}", secrets.randbelow(250) + 1)
    statuses: list[int] = []
    async with anonymous(server.base_url) as http:
        for number in range(1, 61):
            one = address.format(number) if number % 2 else address.format(number).removeprefix("::ffff:")
            body = {"username": victim.name, "password": f"guess-{number}"}
            statuses.append((await http.post("/api/token", json=body, headers={"X-Forwarded-For": one})).status_code)
    # A window may end in between, and then ten more pass.
    assert statuses.count(401) <= 20
    assert statuses[:10] == [401] * 10


async def test_sign_ups_of_an_address_are_counted(start_server: StartServer) -> None:
    server = start_server(LIMIT_SIGNUPS_PER_H="2")
    async with anonymous(server.base_url) as http:
        body = [{"username": fresh(), "password": "correct horse"} for _ in range(5)]
        answers = [await http.post("/api/signup", json=one) for one in body]
        assert [answer.status_code for answer in answers[:2]] == [201, 201]
        assert_problem(answers[-1], 429, "rate_limited")
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 3600


# --- the current user


@pytest.mark.parametrize(
    "header", ["Token", "Token nonsense", "Bearer nonsense", "Token \xe9", "nonsense", "Token a b"], ids=ascii
)
async def test_a_bad_token_is_401_even_with_a_good_cookie(server: Server, ada: Account, header: str) -> None:
    async with anonymous(server.base_url) as http:
        await signed_in(http, ada)
        answer = await http.get("/api/me", headers=[(b"Authorization", header.encode("latin-1"))])
        assert_problem(answer, 401, "unauthenticated")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/me"),
        ("GET", "/api/users"),
        ("DELETE", "/api/session"),
        ("POST", "/api/tickets"),
        ("GET", "/api/rooms"),
        ("POST", "/api/rooms"),
        ("GET", "/api/rooms/lobby"),
        ("PATCH", "/api/rooms/lobby"),
        ("GET", "/api/rooms/lobby/members"),
        ("POST", "/api/rooms/lobby/members"),
        ("DELETE", "/api/rooms/lobby/members/1"),
        ("GET", "/api/rooms/lobby/messages"),
    ],
)
async def test_other_calls_need_credentials(server: Server, method: str, path: str) -> None:
    async with anonymous(server.base_url) as http:
        assert_problem(await http.request(method, path), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/tickets", None),
        ("DELETE", "/api/session", None),
        ("POST", "/api/rooms", {"slug": "made-by-a-foreign-page"}),
        ("PATCH", "/api/rooms/lobby", {"title": "foreign"}),
        ("POST", "/api/rooms/lobby/members", {"user": 1}),
        ("DELETE", "/api/rooms/lobby/members/1", None),
    ],
)
async def test_cookie_without_csrf_token_changes_nothing(
    server: Server, ada: Account, method: str, path: str, body: dict[str, Any] | None
) -> None:
    async with anonymous(server.base_url) as http:
        await signed_in(http, ada)
        for token in (None, "", "x" * 32):
            http.headers.pop("X-CSRFToken", None)
            if token is not None:
                http.headers["X-CSRFToken"] = token
            assert_problem(await http.request(method, path, json=body), 403, "forbidden")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/me", None),
        ("GET", "/api/rooms", None),
        ("POST", "/api/rooms", {"slug": "made-for-another-person"}),
        ("POST", "/api/rooms/lobby/files", None),
        ("DELETE", "/api/session", None),
    ],
)
async def test_call_named_for_another_person_is_refused(
    server: Server, ada: Account, bob: Account, method: str, path: str, body: dict[str, Any] | None
) -> None:
    async with anonymous(server.base_url) as http:
        await signed_in(http, ada)
        await signed_in(http, bob)
        for stale in (f"{ada.id}", "", "somebody"):
            answer = await http.request(method, path, json=body, headers={"Hubbub-User": stale})
            assert_problem(answer, 412, "other_user")
        assert (await http.get("/api/me", headers={"Hubbub-User": f"{bob.id}"})).json()["user"]["id"] == bob.id


async def test_foreign_page_cannot_sign_a_user_in(server: Server, ada: Account) -> None:
    async with anonymous(server.base_url) as http:
        body = {"username": ada.name, "password": ada.password}
        answer = await http.post("/api/session", json=body, headers={"Origin": "https://evil.example"})
        assert_problem(answer, 403, "forbidden")
        assert "sessionid" not in http.cookies
        assert (await http.post("/api/session", json=body, headers={"Origin": server.base_url})).status_code == 204


async def test_tickets_are_issued_for_cookie_and_token(server: Server, ada: Account) -> None:
    async with anonymous(server.base_url) as page, with_token(server.base_url, ada) as program:
        await signed_in(page, ada)
        answers = [await page.post("/api/tickets"), await program.post("/api/tickets")]
        for answer in answers:
            assert (answer.status_code, set(answer.json())) == (201, {"ticket", "expires_in"})
            assert answer.json()["expires_in"] == 30
        assert answers[0].json()["ticket"] != answers[1].json()["ticket"]


# --- people


async def test_people_are_found_by_a_part_of_their_name(server: Server, ada: Account) -> None:
    part = secrets.token_hex(5)
    people = [await sign_up(server.base_url, f"{letter}-{part}") for letter in "cab"]
    async with with_token(server.base_url, ada) as http:
        found = (await http.get("/api/users", params={"query": part.upper()})).json()
        assert found["users"] == [{"id": person.id, "name": person.name} for person in sorted(people, key=lambda p: p.name)]
    async with with_token(server.base_url, people[0]) as http:
        names = [person["name"] for person in (await http.get("/api/users", params={"query": part})).json()["users"]]
        assert names == [f"a-{part}", f"b-{part}"], "the search for people leaves the caller out"


async def test_a_person_is_found_by_their_id(server: Server, ada: Account) -> None:
    bob = await sign_up(server.base_url, f"bob-{secrets.token_hex(5)}")
    async with with_token(server.base_url, ada) as http:
        assert (await http.get("/api/users", params={"user": bob.id})).json()["users"] == [{"id": bob.id, "name": bob.name}]
        assert (await http.get("/api/users", params={"user": bob.id + 10**9})).json()["users"] == []
        assert (await http.get("/api/users", params={"user": 0})).status_code == 400


@pytest.mark.parametrize("query", ["%", "_", "'", '"', "\\", "\0", "x" * 3000, "Ж", ""], ids=ascii)
async def test_any_search_query_is_answered(server: Server, ada: Account, query: str) -> None:
    async with with_token(server.base_url, ada) as http:
        answer = await http.get("/api/users", params={"query": query})
        assert answer.status_code == 200
        assert len(answer.json()["users"]) <= 20


# --- paths and the OpenAPI document


async def test_unknown_paths_and_methods_are_problems(server: Server, ada: Account) -> None:
    async with with_token(server.base_url, ada) as http:
        for path in ("/api/nothing", "/api/rooms/lobby/nothing"):
            assert_problem(await http.get(path), 404, "not_found")
        assert (await http.delete("/api/me")).status_code == 405


async def test_the_openapi_document_lists_every_path(server: Server) -> None:
    async with anonymous(server.base_url) as http:
        answer = await http.get("/api/openapi.json")
        assert answer.status_code == 200
        document = answer.json()
        assert (await http.get("/api/docs")).status_code == 200
    found = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    # Those of features are on their pages: tests/docs/test_references.py.
    assert found >= {
        ("POST", "/api/signup"),
        ("POST", "/api/session"),
        ("DELETE", "/api/session"),
        ("POST", "/api/token"),
        ("POST", "/api/tickets"),
        ("GET", "/api/me"),
        ("GET", "/api/users"),
        ("GET", "/api/rooms"),
        ("POST", "/api/rooms"),
        ("GET", "/api/rooms/{slug}"),
        ("PATCH", "/api/rooms/{slug}"),
        ("GET", "/api/rooms/{slug}/members"),
        ("POST", "/api/rooms/{slug}/members"),
        ("DELETE", "/api/rooms/{slug}/members/{user}"),
        ("GET", "/api/rooms/{slug}/messages"),
        ("PATCH", "/api/rooms/{slug}/members/{user}"),
        ("POST", "/api/leave"),
        ("GET", "/api/blocks"),
        ("POST", "/api/blocks"),
        ("DELETE", "/api/blocks/{user}"),
    }


# --- methods


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/api/me", {"GET", "HEAD"}),
        ("GET", "/api/signup", {"POST"}),
        ("PUT", "/api/session", {"POST", "DELETE"}),
        ("PATCH", "/api/rooms", {"GET", "HEAD", "POST"}),
        ("HEAD", "/api/signup", {"POST"}),
    ],
)
async def test_unsupported_method_is_405(server: Server, method: str, path: str, allowed: set[str]) -> None:
    async with anonymous(server.base_url) as http:
        answer = await http.request(method, path)
        assert answer.status_code == 405
        assert set(answer.headers["allow"].split(", ")) == allowed
        if method != "HEAD":
            problem = assert_problem(answer, 405, "method_not_allowed")
            assert all(name in problem["detail"] for name in allowed)
        assert answer.headers["x-content-type-options"] == "nosniff"


GETS = ["/api/me", "/api/users?query=a", "/api/rooms", "/api/rooms/lobby", "/api/openapi.json", "/api/docs"]
PAGES = ["/", "/chat/", "/chat/lobby/", "/accounts/sign-in/", "/accounts/sign-up/", "/nothing-here", "/healthz", "/readyz"]


@pytest.mark.parametrize("path", [*GETS, *PAGES, "/api/rooms/no-such-room", "/static/nothing.js", "/static/favicon.svg"])
async def test_head_is_answered_like_get_without_a_body(server: Server, ada: Account, path: str) -> None:
    async with with_token(server.base_url, ada) as http:
        wanted, answer = await http.get(path), await http.head(path)
        assert (answer.status_code, answer.content) == (wanted.status_code, b"")
        names = {"content-type", "content-security-policy", "cache-control", "x-frame-options"}
        assert names & set(answer.headers) == names & set(wanted.headers)
        again = await http.get(path)  # on the same connection: no byte of a body may precede the next answer
        assert again.status_code == wanted.status_code


@pytest.mark.parametrize("path", [*GETS, *PAGES, "/static/nothing.js"])
async def test_answers_for_one_person_are_not_cached(server: Server, ada: Account, path: str) -> None:
    async with anonymous(server.base_url) as http:
        assert "no-store" in (await http.get(path)).headers["cache-control"]
        await signed_in(http, ada)
        assert "no-store" in (await http.get(path)).headers["cache-control"]
