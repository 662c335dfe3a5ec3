"""HTTP calls the way each kind of client makes them, and what an error must look like."""

import secrets
from typing import Any

import httpx

from tests.support.chat_client import Account


def anonymous(base_url: str) -> httpx.AsyncClient:
    """Somebody without credentials. Use as an async context manager; keeps cookies, as a browser does.

    Each has an address of its own, told as a trusted proxy tells it: attempts are counted by address.
    """
    address = f"198.18.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
    return httpx.AsyncClient(base_url=base_url, timeout=15, headers={"X-Forwarded-For": address})


def with_token(base_url: str, account: Account) -> httpx.AsyncClient:
    """A program with the account's token."""
    return httpx.AsyncClient(base_url=base_url, headers=account.headers, timeout=15)


async def signed_in(http: httpx.AsyncClient, account: Account) -> httpx.AsyncClient:
    """Sign an anonymous client in: it then has the session cookie, and sends the CSRF token as a page does."""
    answer = await http.post("/api/session", json={"username": account.name, "password": account.password})
    assert answer.status_code == httpx.codes.NO_CONTENT, answer.text
    http.headers["X-CSRFToken"] = http.cookies["csrftoken"]
    return http


def session_cookie(http: httpx.AsyncClient) -> dict[str, str]:
    """The Cookie header of a signed-in client, for a handshake."""
    return {"Cookie": f"sessionid={http.cookies['sessionid']}"}


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Hold an answer to being a problem (RFC 9457) with this status and code; returns its body."""
    assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
    assert answer.headers["content-type"].split(";")[0] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert set(problem) - {"errors"} == {"type", "title", "status", "detail", "code"}, problem
    assert all(isinstance(problem[name], str) for name in ("type", "title", "detail", "code"))
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["detail"], "a problem gives the reason"
    for name, found in problem.get("errors", {}).items():
        assert isinstance(name, str)
        assert found, f"{name} has no message"
        assert all(isinstance(message, str) for message in found)
    return problem
