"""A push service and its browsers.

An HTTP server on a free port keeps its requests, and decrypts them as a browser does.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic, sleep
from typing import Any

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02

from features.notifications.vapid import decoded, encoded

# The status of a service that takes a request and never answers.
HANG = 0


@dataclass(frozen=True)
class Request:
    """A push as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Browser:
    """One subscription, with the keys of its browser."""

    service: PushService
    path: str
    # Statuses that its next requests are answered with; then 201.
    answers: deque[int] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.auth = secrets.token_bytes(16)

    @property
    def subscription(self) -> dict[str, Any]:
        """Return what `PushSubscription.toJSON()` gives."""
        point = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return {"endpoint": f"{self.service.url}{self.path}", "keys": {"p256dh": encoded(point), "auth": encoded(self.auth)}}

    def requests(self) -> list[Request]:
        return [one for one in self.service.requests if one.path == self.path]

    def payloads(self) -> list[dict[str, Any]]:
        """Decrypt the requests that were answered with 201."""
        return [self.payload(one) for one in self.service.taken if one.path == self.path]

    def payload(self, request: Request) -> dict[str, Any]:
        data = http_ece.decrypt(request.body, private_key=self.key, auth_secret=self.auth, version="aes128gcm")
        found: dict[str, Any] = json.loads(data)
        return found

    def wait_for(self, number: int, *, timeout: float = 40) -> list[dict[str, Any]]:
        """Wait until so many pushes were taken, and return all."""
        return self.service.wait(lambda: self.payloads() if len(self.payloads()) >= number else None, timeout, self.path)


class PushService:
    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.taken: list[Request] = []
        self.browsers: dict[str, Browser] = {}
        self.released = threading.Event()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                request = Request(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                service.requests.append(request)
                answers = service.browsers[self.path].answers if self.path in service.browsers else deque([404])
                status = answers.popleft() if answers else 201
                if status == HANG:
                    service.released.wait(60)
                    return
                if status == 201:
                    service.taken.append(request)
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", f"{service.url}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def browser(self, *answers: int) -> Browser:
        """Return a new browser.

        `answers`: the statuses of its first requests.
        """
        path = f"/push/{secrets.token_hex(8)}"
        found = self.browsers[path] = Browser(self, path, deque(answers))
        return found

    @staticmethod
    def wait(look: Any, timeout: float, what: str) -> Any:
        """Call `look` until it returns something."""
        until = monotonic() + timeout
        while (found := look()) is None:
            if monotonic() > until:
                raise TimeoutError(f"{what} did not come within {timeout} s")
            sleep(0.05)
        return found

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def push_service() -> Iterator[PushService]:
    service = PushService()
    try:
        yield service
    finally:
        service.close()


def claims_of(request: Request, public_key: str) -> dict[str, Any]:
    """Check a request's signature with the browsers' key, and return its claims.

    This is the key that browsers subscribed with.
    """
    authorization = request.headers["authorization"]
    assert Vapid02.verify(authorization)
    parts = dict(part.split("=", 1) for part in authorization.removeprefix("vapid ").split(","))
    assert parts["k"] == public_key
    payload = parts["t"].split(".")[1]
    found: dict[str, Any] = json.loads(decoded(payload))
    return found
