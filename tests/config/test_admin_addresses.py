"""Networks with access to the administrator's pages."""

import re

import httpx
import pytest
from django.conf import settings as configured
from django.core.exceptions import ImproperlyConfigured

from config.admin_addresses import is_allowed, parse_networks
from tests.conftest import StartServer
from tests.support.api import anonymous
from tests.support.chat_client import sign_up
from tests.support.server import Server, manage

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("items", "address", "allowed"),
    [
        (["10.0.0.0/8"], "10.2.3.4", True),
        (["10.0.0.0/8"], "11.0.0.1", False),
        (["10.0.0.0/8"], "::ffff:10.2.3.4", True),
        (["2001:db8::/32", "192.0.2.7"], "2001:db8:1::5", True),
        (["2001:db8::/32", "192.0.2.7"], "192.0.2.7", True),
        (["2001:db8::/32", "192.0.2.7"], "192.0.2.8", False),
        (["all"], "2001:db8::1", True),
        (["none"], "127.0.0.1", False),
        (["all"], "", False),
        (["all"], "unix:", False),
    ],
)
def test_address_is_checked_against_the_networks(
    monkeypatch: pytest.MonkeyPatch, items: list[str], address: str, allowed: bool
) -> None:
    monkeypatch.setattr(configured, "ADMIN_NETWORKS", parse_networks(items, development=False))
    assert is_allowed(address) is allowed


def test_unset_is_open_in_development_only() -> None:
    assert len(parse_networks([], development=True)) == 2
    assert parse_networks([], development=False) == []


@pytest.mark.parametrize("items", [["10.0.0"], ["admin.example"], ["all", "10.0.0.1"], ["10.0.0.0/33"]])
def test_wrong_address_is_refused_by_name(items: list[str]) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^ADMIN_ADDRESSES holds '[^']+': use addresses and networks such as"):
        parse_networks(items, development=True)


async def test_closed_admin_answers_404_and_names_the_setting(start_server: StartServer) -> None:
    server = start_server(ADMIN_ADDRESSES="198.51.100.0/24")
    async with httpx.AsyncClient(base_url=server.base_url) as http:
        inside, outside = {"X-Forwarded-For": "198.51.100.9"}, {"X-Forwarded-For": "203.0.113.9"}
        assert (await http.get("/admin/login/", headers=inside)).status_code == httpx.codes.OK
        for path in ("/admin", "/admin/", "/admin/login/", "/admin/accounts/user/", "/admin/jsi18n/"):
            answer = await http.get(path, headers=outside)
            assert answer.status_code == httpx.codes.NOT_FOUND, path
            assert "frame-ancestors" in answer.headers["content-security-policy"]
        assert (await http.get("/", headers=outside, follow_redirects=True)).status_code == httpx.codes.OK
    assert server.log.count("ADMIN_ADDRESSES") == 1 if server.env["WEB_CONCURRENCY"] == "1" else "ADMIN_ADDRESSES" in server.log


async def test_guesses_at_the_admin_pages_old_password_are_counted(server: Server) -> None:
    account = await sign_up(server.base_url)
    manage(
        "shell",
        "-c",
        f"from accounts.models import User; User.objects.filter(id={account.id}).update(is_staff=True)",
        env=server.env,
    )
    async with anonymous(server.base_url) as http:
        await http.post("/api/session", json={"username": account.name, "password": account.password})
        page = await http.get("/admin/password_change/")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert token
        statuses: list[int] = []
        while len(statuses) < 21 and 429 not in statuses:  # the time window may end in between
            body = {"old_password": "wrong", "new_password1": "a better horse 7", "new_password2": "a better horse 7"}
            answer = await http.post("/admin/password_change/", data=body | {"csrfmiddlewaretoken": token[1]})
            statuses.append(answer.status_code)
        assert statuses[-1] == 429
