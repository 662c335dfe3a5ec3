"""WebSockets pass nginx on every socket path; no other upgrade passes."""

import json
import socket

import pytest
from websockets.asyncio.client import connect

from tests.nginx.front import Front


@pytest.mark.parametrize(
    "path", ["/ws/", "/ws", "/ws/chat/lobby/", "/ws/chat/lobby", "/infra/ws", "/infra/ws/", "/chat/lobby/", "/chat/lobby"]
)
async def test_socket_is_upgraded_and_carries_both_directions(front: Front, path: str) -> None:
    async with connect(f"{front.ws}{path}?ticket=abc") as wire:
        seen = json.loads(await wire.recv())
        assert (seen["kind"], seen["path"], seen["query"]) == ("websocket", path, "ticket=abc")
        await wire.send("x" * 200_000)
        assert await wire.recv() == "x" * 200_000
        await wire.send(b"\x00\x01")
        assert await wire.recv() == b"\x00\x01"


def test_upgrade_header_is_found_in_any_case(front: Front) -> None:
    with socket.create_connection(("127.0.0.1", front.port), timeout=10) as connection:
        connection.sendall(
            b"GET /ws/ HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert connection.recv(65536).startswith(b"HTTP/1.1 101 ")


def test_room_page_is_served_without_an_upgrade(front: Front) -> None:
    answer = front.get("/chat/lobby/")
    assert answer.status_code == 200
    seen = answer.json()
    assert (seen["kind"], seen["path"]) == ("http", "/chat/lobby/")


@pytest.mark.parametrize("path", ["/", "/api/me", "/chat/lobby/", "/ws/"])
def test_upgrade_to_another_protocol_is_not_passed(front: Front, path: str) -> None:
    answer = front.get(path, headers={"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABk"})
    assert answer.status_code == 200
    names = {name for name, _ in answer.json()["headers"]}
    assert "upgrade" not in names


def test_upgrade_on_a_page_path_is_not_passed(front: Front) -> None:
    answer = front.get("/accounts/sign-in/", headers={"Connection": "Upgrade", "Upgrade": "websocket"})
    assert answer.json()["kind"] == "http"
