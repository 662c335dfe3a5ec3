"""nginx's retries when its only server breaks a read request."""

import socket
import socketserver
import threading
from collections.abc import Iterator

import httpx
import pytest

from tests.nginx.conftest import StartFront

_POLICY = "default-src 'none'"
_ANSWER = f"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Security-Policy: {_POLICY}\r\nConnection: close\r\n\r\nok".encode()
_EVERY = 1000


class Breaking(socketserver.ThreadingTCPServer):
    """Reads requests, breaks the first `broken` connections, answers the others."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Reading)
        self.broken = 0
        self.seen: list[str] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class Reading(socketserver.BaseRequestHandler):
    """One connection, one request."""

    server: Breaking
    request: socket.socket

    def handle(self) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            if not (chunk := self.request.recv(65536)):
                return
            head += chunk
        self.server.seen.append(head.split(b" HTTP/")[0].decode())
        if len(self.server.seen) > self.server.broken:
            self.request.sendall(_ANSWER)


@pytest.fixture
def breaking() -> Iterator[Breaking]:
    with Breaking() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize("path", ["/chat/", "/api/rooms", "/static/assets/of-another-release.js"])
def test_broken_get_is_retried(breaking: Breaking, start_front: StartFront, path: str) -> None:
    front = start_front(upstream_ports=[breaking.port])
    breaking.broken = 1
    answer = front.get(path)
    assert answer.text == "ok"
    assert answer.headers.get_list("content-security-policy") == [_POLICY]
    assert breaking.seen == [f"GET {path}"] * 2


def test_broken_get_is_retried_a_bounded_number_of_times(breaking: Breaking, start_front: StartFront) -> None:
    front = start_front(upstream_ports=[breaking.port])
    breaking.broken = _EVERY
    assert front.get("/api/rooms").status_code == 503
    assert breaking.seen == ["GET /api/rooms"] * 4


def test_post_read_by_a_server_is_not_retried(breaking: Breaking, start_front: StartFront) -> None:
    front = start_front(upstream_ports=[breaking.port])
    breaking.broken = _EVERY
    assert httpx.post(front.url + "/api/tickets", json={}, timeout=10).status_code == 503
    assert breaking.seen == ["POST /api/tickets"]
