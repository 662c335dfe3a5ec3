"""The app gets the trusted client address and scheme, never the client's claims."""

import json
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tests.nginx.conftest import StartFront
from tests.nginx.front import Front

SPOOFED = {
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "1",
    "X-Real-IP": "6.6.6.6",
    "Forwarded": "for=6.6.6.6",
    "X-Request-ID": "chosen-by-the-client",
}


def forwarded(seen: dict[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in seen["headers"]:
        found.setdefault(name, []).append(value)
    return found


def test_untrusted_client_cannot_choose_its_address(start_front: StartFront) -> None:
    front = start_front(TRUSTED_PROXIES="10.0.0.0/8")
    seen = forwarded(front.get("/api/me", headers=SPOOFED).json())
    assert seen["x-forwarded-for"] == ["127.0.0.1"]
    assert seen["x-forwarded-proto"] == ["http"]
    assert not seen.keys() & {"x-forwarded-host", "x-forwarded-port", "x-real-ip", "forwarded"}
    assert seen["x-request-id"] != ["chosen-by-the-client"]
    assert front.access("/api/me")["remote"] == "127.0.0.1"


async def test_untrusted_client_cannot_choose_its_socket_address(start_front: StartFront) -> None:
    front = start_front(TRUSTED_PROXIES="10.0.0.0/8")
    for path in ("/ws/", "/chat/lobby/"):
        async with connect(front.ws + path, additional_headers=SPOOFED) as socket:
            seen = forwarded(json.loads(await socket.recv()))
        assert seen["x-forwarded-for"] == ["127.0.0.1"]
        assert not seen.keys() & {"x-forwarded-host", "x-real-ip", "forwarded"}


@pytest.mark.parametrize(
    ("claimed", "believed"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9", "203.0.113.9"),  # anything before the last untrusted address is a client's claim
        ("6.6.6.6, 203.0.113.9, 10.1.2.3", "203.0.113.9"),  # our own proxies are skipped
        ("rubbish", "127.0.0.1"),
    ],
)
def test_address_from_a_trusted_proxy_is_used(start_front: StartFront, claimed: str, believed: str) -> None:
    front = start_front(TRUSTED_PROXIES="127.0.0.1, 10.0.0.0/8")
    answer = front.get("/api/me", headers={"X-Forwarded-For": claimed, "X-Forwarded-Proto": "https"})
    seen = forwarded(answer.json())
    assert seen["x-forwarded-for"] == [believed]
    assert seen["x-forwarded-proto"] == ["https"]
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert front.access("/api/me")["remote"] == believed


def test_host_header_keeps_its_port(front: Front) -> None:
    seen = forwarded(front.get("/").json())
    assert seen["host"] == [f"127.0.0.1:{front.port}"]
    assert forwarded(front.get("/", headers={"Host": "chat.example:8443"}).json())["host"] == ["chat.example:8443"]
