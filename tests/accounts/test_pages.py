"""The pages: sign-in, sign-up, the shell of the app, and security headers."""

import html
import re
from collections.abc import AsyncIterator

import httpx
import pytest

from accounts import names
from accounts.forms import PASSWORD_RULES
from tests.support.api import anonymous, assert_problem, signed_in
from tests.support.chat_client import Account, sign_up
from tests.support.server import Server

SHELLS = ["/chat", "/chat/", "/chat/lobby", "/chat/lobby/", "/chat/größe/", "/chat/dm-1-2/", "/chat/no-such-room/"]


@pytest.fixture
async def visitor(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with anonymous(server.base_url) as http:
        yield http


@pytest.fixture
async def page(server: Server, ada: Account) -> AsyncIterator[httpx.AsyncClient]:
    async with anonymous(server.base_url) as http:
        yield await signed_in(http, ada)


def has_sign_in_form(answer: httpx.Response) -> bool:
    fields = {"csrfmiddlewaretoken", "username", "password"}
    return answer.status_code == 200 and fields <= set(re.findall(r'name="(\w+)"', answer.text))


async def form(http: httpx.AsyncClient, path: str) -> dict[str, str]:
    """Load a form; return its CSRF field."""
    answer = await http.get(path)
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', answer.text)
    assert found, answer.text
    return {"csrfmiddlewaretoken": found[1]}


async def test_front_page_is_the_sign_in_form_or_the_app(visitor: httpx.AsyncClient, page: httpx.AsyncClient) -> None:
    assert has_sign_in_form(await visitor.get("/"))
    answer = await page.get("/")
    assert answer.status_code == 200
    assert not has_sign_in_form(answer)


@pytest.mark.parametrize("path", SHELLS)
async def test_every_room_path_opens_the_same_app(page: httpx.AsyncClient, path: str) -> None:
    answer, front = await page.get(path), await page.get("/")
    assert answer.status_code == 200
    scripts = re.findall(r'src="(/static/[^"]+\.js)"', answer.text)
    assert scripts
    assert scripts == re.findall(r'src="(/static/[^"]+\.js)"', front.text)
    for script in scripts:
        assert (await page.get(script)).status_code == 200
    assert "csrftoken" in page.cookies


@pytest.mark.parametrize("path", SHELLS)
async def test_signed_out_room_redirects_to_sign_in_and_back(visitor: httpx.AsyncClient, path: str) -> None:
    answer = await visitor.get(path)
    assert answer.status_code == 302
    assert has_sign_in_form(await visitor.get(answer.headers["location"]))
    assert answer.headers["location"].startswith("/accounts/sign-in/?next=/chat")


async def test_forms_sign_up_and_in_and_out(visitor: httpx.AsyncClient, ada: Account) -> None:
    new = {"username": f"{ada.name}-twin", "password": "correct horse"}
    answer = await visitor.post("/accounts/sign-up/", data=new | await form(visitor, "/accounts/sign-up/"))
    assert (answer.status_code, answer.headers["location"]) == (302, "/")
    assert (await visitor.get("/api/me")).json()["user"]["name"] == new["username"]
    token = {"csrfmiddlewaretoken": visitor.cookies["csrftoken"]}
    assert (await visitor.post("/accounts/sign-out/", data=token)).status_code == 302
    assert (await visitor.get("/api/me")).status_code == 401
    fields = {"username": new["username"].upper(), "password": new["password"]}
    answer = await visitor.post("/accounts/sign-in/?next=/chat/lobby/", data=fields | await form(visitor, "/accounts/sign-in/"))
    assert (answer.status_code, answer.headers["location"]) == (302, "/chat/lobby/")


async def test_form_names_wrong_entries(visitor: httpx.AsyncClient, ada: Account) -> None:
    fields = {"username": ada.name, "password": "wrong"}
    answer = await visitor.post("/accounts/sign-in/", data=fields | await form(visitor, "/accounts/sign-in/"))
    assert has_sign_in_form(answer)
    fields = {"username": ada.name, "password": "short"}
    answer = await visitor.post("/accounts/sign-up/", data=fields | await form(visitor, "/accounts/sign-up/"))
    assert answer.status_code == 200
    assert "taken" in answer.text
    assert "too short" in answer.text


async def test_sign_up_form_shows_its_rules(visitor: httpx.AsyncClient) -> None:
    text = html.unescape((await visitor.get("/accounts/sign-up/")).text)
    assert str(names.RULES) in text
    assert str(PASSWORD_RULES) in text


@pytest.mark.parametrize("password", ["{name}", "{NAME}", "{name}1"])
async def test_password_like_the_name_is_refused(visitor: httpx.AsyncClient, ada: Account, password: str) -> None:
    name = f"{ada.name}-twin"
    fields = {"username": name, "password": password.format(name=name, NAME=name.upper())}
    answer = await visitor.post("/accounts/sign-up/", data=fields | await form(visitor, "/accounts/sign-up/"))
    assert (answer.status_code, "too similar to the name" in answer.text) == (200, True)
    answer = await visitor.post("/api/signup", json=fields)
    assert set(assert_problem(answer, 400, "invalid")["errors"]) == {"password"}


async def test_wrong_password_gets_one_consistent_message(visitor: httpx.AsyncClient, ada: Account) -> None:
    fields = {"username": ada.name, "password": "wrong"}
    answer = await visitor.post("/accounts/sign-in/", data=fields | await form(visitor, "/accounts/sign-in/"))
    assert "both fields" not in answer.text
    assert "Capital letters count in the password, not in the name" in answer.text


async def test_throttled_sign_in_keeps_the_name(visitor: httpx.AsyncClient) -> None:
    fields = {"username": "Somebody", "password": "guess"} | await form(visitor, "/accounts/sign-in/")
    answer = await until_throttled(visitor, "/accounts/sign-in/", fields)
    assert 'value="Somebody"' in answer.text
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert "guess" not in answer.text


async def test_throttled_password_change_shows_the_form(page: httpx.AsyncClient) -> None:
    fields = {"old_password": "guess", "new_password1": "correct horse", "new_password2": "correct horse"}
    answer = await until_throttled(page, "/accounts/password/", fields | await form(page, "/accounts/password/"))
    assert "Too many attempts" in answer.text
    assert 'name="old_password"' in answer.text


async def until_throttled(http: httpx.AsyncClient, path: str, fields: dict[str, str]) -> httpx.Response:
    """Post a form until it is refused.

    Ten pass in a minute, and a minute may end in between.
    """
    answer = await http.post(path, data=fields)
    for _ in range(20):
        if answer.status_code != 200:
            break
        answer = await http.post(path, data=fields)
    assert answer.status_code == 429, answer.text
    return answer


async def test_blanks_around_a_name_are_stripped(visitor: httpx.AsyncClient, ada: Account) -> None:
    body = {"username": f" {ada.name}\t", "password": ada.password}
    assert (await visitor.post("/api/token", json=body)).status_code == 200
    assert (await visitor.post("/api/signup", json=body)).json()["errors"] == {"username": ["That name is taken."]}
    answer = await visitor.post("/api/signup", json=body | {"username": f" {ada.name}-2 "})
    assert answer.json()["user"]["name"] == f"{ada.name}-2"
    answer = await visitor.post("/accounts/sign-in/", data=body | await form(visitor, "/accounts/sign-in/"))
    assert answer.status_code == 302


@pytest.mark.parametrize("goal", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example"])
async def test_sign_in_does_not_redirect_to_other_hosts(visitor: httpx.AsyncClient, ada: Account, goal: str) -> None:
    fields = {"username": ada.name, "password": ada.password, "next": goal}
    answer = await visitor.post("/accounts/sign-in/", data=fields | await form(visitor, "/accounts/sign-in/"))
    assert (answer.status_code, answer.headers["location"]) == (302, "/")


@pytest.mark.parametrize("path", ["/accounts/sign-in/", "/accounts/sign-up/", "/accounts/password/"])
async def test_forms_without_csrf_token_are_refused(page: httpx.AsyncClient, path: str) -> None:
    del page.headers["X-CSRFToken"]
    assert (await page.post(path, data={"username": "x", "password": "y"})).status_code == 403


async def test_sign_out_by_get_is_refused(page: httpx.AsyncClient) -> None:
    assert (await page.get("/accounts/sign-out/")).status_code == 405
    assert (await page.get("/api/me")).status_code == 200


async def test_password_page_needs_a_session(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.get("/accounts/password/")
    assert (answer.status_code, answer.headers["location"]) == (302, "/accounts/sign-in/?next=/accounts/password/")


async def test_guesses_on_the_form_are_throttled(visitor: httpx.AsyncClient, server: Server) -> None:
    victim = await sign_up(server.base_url)
    token = await form(visitor, "/accounts/sign-in/")
    statuses: list[int] = []
    while len(statuses) < 21 and 429 not in statuses:
        fields = {"username": victim.name, "password": "guess"}
        statuses.append((await visitor.post("/accounts/sign-in/", data=fields | token)).status_code)
    assert statuses[:10] == [200] * 10
    assert statuses[-1] == 429


async def test_pages_forbid_foreign_code_and_frames(visitor: httpx.AsyncClient, page: httpx.AsyncClient) -> None:
    for answer in (await visitor.get("/"), await page.get("/chat/lobby/"), await visitor.get("/nothing-here")):
        policy = answer.headers["content-security-policy"]
        directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
        assert directives["default-src"] == "'self'"
        assert directives["frame-ancestors"] == "'none'"
        assert directives["base-uri"] == "'none'"
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "same-origin"
        nonce = re.search(r"script-src 'self' 'nonce-([^']{20,})'", policy)
        written = answer.text.replace(f'<script nonce="{nonce[1]}">', "") if nonce else answer.text
        assert not re.findall(r"<script(?![^>]*\bsrc=)|<style| on\w+=|javascript:| style=", written)


async def test_inline_script_has_a_nonce_of_its_own_answer(page: httpx.AsyncClient) -> None:
    answers = [await page.get("/chat/lobby/") for _ in range(2)]
    nonces = {re.findall(r'<script nonce="([^"]+)">', answer.text)[0] for answer in answers}
    assert len(nonces) == 2
    assert all(any(nonce in answer.headers["content-security-policy"] for nonce in nonces) for answer in answers)


@pytest.mark.parametrize("path", ["/static/favicon.svg", "/static/nothing.js", "/static/", "/static/../app/manage.py"])
async def test_files_have_the_security_headers(visitor: httpx.AsyncClient, path: str) -> None:
    for method in ("GET", "HEAD", "POST"):
        headers = (await visitor.request(method, path)).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
        assert headers["referrer-policy"] == "same-origin"


async def test_hashed_files_are_immutable(visitor: httpx.AsyncClient) -> None:
    script = re.findall(r'src="(/static/assets/[^"]+\.js)"', (await visitor.get("/")).text)[0]
    assert "immutable" in (await visitor.get(script)).headers["cache-control"]


async def test_an_unknown_page_is_404(visitor: httpx.AsyncClient) -> None:
    for path in ("/nothing-here", "/chat/a/b/", "/static/nothing.js", "/ws/", "/infra/ws"):
        assert (await visitor.get(path)).status_code == 404, path


async def test_an_unknown_host_is_refused(server: Server, visitor: httpx.AsyncClient) -> None:
    assert (await visitor.get("/", headers={"Host": "evil.example"})).status_code == 400
    assert (await visitor.get("/", headers={"Host": f"localhost:{server.port}"})).status_code == 200
