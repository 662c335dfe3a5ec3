"""HTTP calls like those of each kind of client, and the expected form of an error."""

import secrets
from typing import Any

import httpx

from tests.support.chat_client import Account


def anonymous(base_url: str) -> httpx.AsyncClient:
    """Return a client without credentials, as an async context manager.

    It keeps cookies.

    Each has its own address in the header of a trusted proxy, as limits count by address.
    """
    address = f"198.18.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
    return httpx.AsyncClient(base_url=base_url, timeout=15, headers={"X-Forwarded-For": address})


def with_token(base_url: str, account: Account) -> httpx.AsyncClient:
    """Return a client with the account's token."""
    return httpx.AsyncClient(base_url=base_url, headers=account.headers, timeout=15)


async def signed_in(http: httpx.AsyncClient, account: Account) -> httpx.AsyncClient:
    """Sign an anonymous client in.

    It keeps the session cookie and sends the CSRF token.
    """
    answer = await http.post("/api/session", json={"username": account.name, "password": account.password})
    assert answer.status_code == httpx.codes.NO_CONTENT, answer.text
    http.headers["X-CSRFToken"] = http.cookies["csrftoken"]
    return http


def session_cookie(http: httpx.AsyncClient) -> dict[str, str]:
    """Return the Cookie header of a signed-in client, for a handshake."""
    return {"Cookie": f"sessionid={http.cookies['sessionid']}"}


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is a problem (RFC 9457) with this status and code.

    Return its body.
    """
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
