"""Limits per address: refused with 429, and lifted by 0."""

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.nginx.conftest import StartFront
from tests.nginx.front import Front


async def handshakes(front: Front, path: str, count: int) -> list[int]:
    """Open and close this many sockets one after the other.

    Return each handshake's status.
    """
    statuses = []
    for _ in range(count):
        try:
            async with connect(front.ws + path):
                statuses.append(101)
        except InvalidStatus as refusal:
            statuses.append(refusal.response.status_code)
    return statuses


def until_refused(front: Front, path: str) -> httpx.Response:
    """Send requests until the answer is 429: each second allows more."""
    for _ in range(100):
        answer = front.get(path)
        if answer.status_code == 429:
            return answer
    raise AssertionError(f"100 requests for {path}, and none was refused")


@pytest.mark.parametrize("path", ["/ws/", "/infra/ws", "/chat/lobby/"])
async def test_a_flood_of_handshakes_is_refused(start_front: StartFront, path: str) -> None:
    front = start_front(LIMIT_HANDSHAKES_PER_S="1")
    statuses = await handshakes(front, path, 30)
    assert statuses[:3] == [101, 101, 101]  # one, and a burst of two seconds
    assert statuses.count(429) >= 10
    # Pages are another budget.
    assert front.get("/chat/lobby/").status_code == 200


async def test_zero_lifts_the_handshake_limit(front: Front) -> None:
    assert await handshakes(front, "/ws/", 60) == [101] * 60


def test_flood_of_requests_gets_429_in_the_callers_format(start_front: StartFront) -> None:
    front = start_front(LIMIT_REQUESTS_PER_S="1")
    assert [front.get("/api/me").status_code for _ in range(3)] == [200] * 3
    refused = until_refused(front, "/api/me")
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json() | {"detail": ""} == {
        "type": "about:blank",
        "title": "Too Many Requests",
        "status": 429,
        "detail": "",
        "code": "rate_limited",
    }
    page = until_refused(front, "/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "Too many requests" in page.text
    assert front.access("/")["limited"] == "REJECTED"
    # Files are cheap for the app, and a page needs a dozen at once.
    assert front.get("/static/icon.svg").status_code == 200


async def test_connections_of_an_address_are_limited(start_front: StartFront) -> None:
    front = start_front(LIMIT_CONNECTIONS="2")
    async with connect(front.ws + "/ws/"), connect(front.ws + "/ws/"):
        with pytest.raises(InvalidStatus) as refusal:
            await connect(front.ws + "/ws/")
        assert refusal.value.response.status_code == 429
        assert refusal.value.response.headers["Retry-After"] == "1"
    assert await handshakes(front, "/ws/", 1) == [101]


def test_a_large_body_is_refused(front: Front) -> None:
    answer = httpx.post(front.url + "/api/rooms", content=b"x" * (2**20 + 1), timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert httpx.post(front.url + "/api/rooms", content=b"x" * 2**20, timeout=10).status_code == 200


# --- addresses: TRUSTED_PROXIES has 127.0.0.1, so each request states its own address


def ask_as(front: Front, address: str) -> int:
    return front.get("/api/me", headers={"X-Forwarded-For": address}).status_code


def test_limits_count_ipv6_by_its_64(start_front: StartFront) -> None:
    front = start_front(LIMIT_REQUESTS_PER_S="1")
    # The bytes include newline and NUL: the pattern must match those, too.
    same = [ask_as(front, f"2001:db8:a:a:{number:x}::{number:x}") for number in range(1, 60)]
    assert same.count(429) >= 40
    assert ask_as(front, "2001:db8:a:b::1") == 200


def test_limits_count_mapped_ipv4_as_ipv4(start_front: StartFront) -> None:
    front = start_front(LIMIT_REQUESTS_PER_S="1")
    both = [ask_as(front, address) for _ in range(20) for address in ("203.0.113.10", "::ffff:203.0.113.10")]
    assert both.count(429) >= 30
    others = [ask_as(front, f"::ffff:203.0.113.{number}") for number in range(100, 120)]
    assert others == [200] * 20


async def test_handshakes_count_ipv6_by_its_64(start_front: StartFront) -> None:
    front = start_front(LIMIT_HANDSHAKES_PER_S="1")
    statuses = []
    for number in range(30):
        try:
            async with connect(front.ws + "/ws/", additional_headers={"X-Forwarded-For": f"2001:db8:0:7::{number:x}"}):
                statuses.append(101)
        except InvalidStatus as refusal:
            statuses.append(refusal.response.status_code)
    assert statuses.count(429) >= 10
