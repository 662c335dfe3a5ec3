"""uvicorn's HTTP protocol with a faster upgrade to WebSocket.

A parsed request is not written out and parsed again. A plain handshake is also checked here, on bytes; websockets handles all
others.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any
from urllib.parse import unquote

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from core.client_network import unmapped
from server import tcp_options
from server.request_limits import RequestLimits
from server.websocket.socket_protocol import SocketProtocol

# Below the limits of websockets: bytes in a line, and lines.
BYTES, HEADERS = 8000, 100
PLAIN = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
UNUSUAL = frozenset({b"transfer-encoding", b"content-length"})
KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
# Values that clients and proxies send, in lower case.
CONNECTION = frozenset({b"upgrade", b"keep-alive, upgrade"})
ONCE = frozenset({b"connection", b"upgrade", b"sec-websocket-version", b"sec-websocket-key", b"origin"})
NEGOTIATED = frozenset({b"sec-websocket-protocol", b"sec-websocket-extensions"})
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class HttpProtocol(RequestLimits):
    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if self.client is not None:  # a listener on :: sees IPv4 mapped, which TRUSTED_PROXIES would not match
            self.client = unmapped(self.client[0]), self.client[1]
        # Each connection, not the listening socket: a worker that starts finds connections there that the kernel took before.
        tcp_options.tune(transport.get_extra_info("socket"))

    def handle_websocket_upgrade(self) -> None:
        if self.refused:
            return
        self.end_limits()
        made: Any = self.ws_protocol_class
        method, headers = self.scope["method"], self.headers
        if not issubclass(made, SocketProtocol) or not is_plain(self.url, headers):
            super().handle_websocket_upgrade()
            return
        protocol: SocketProtocol = made(config=self.config, server_state=self.server_state, app_state=self.app_state)
        self.connections.discard(self)
        response = answer_of(method, headers, negotiates=bool(protocol.conn.available_extensions))
        if response is None:
            protocol.upgrade_from(self, request_of(method, self.url, headers))
        else:
            protocol.upgrade_from_checked(self, self.socket_scope(), response)
        self.transport.set_protocol(protocol)

    def socket_scope(self) -> dict[str, Any]:
        """Return the scope that uvicorn would make from websockets' request."""
        path, _, query = self.url.partition(b"?")
        scope: dict[str, Any] = dict(self.scope)
        del scope["method"]
        return scope | {
            "type": "websocket",
            "asgi": {"version": self.asgi_version, "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "wss" if self.scheme == "https" else "ws",
            "path": self.root_path + unquote(path.decode("ascii")),
            "raw_path": self.root_path.encode("ascii") + path,
            "query_string": query,
            "headers": [(name, value.strip(b" \t")) for name, value in self.headers],
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
        }


def is_plain(url: bytes, headers: list[tuple[bytes, bytes]]) -> bool:
    """Return whether websockets would surely accept the request's syntax.

    Else it answers itself.
    """
    if len(headers) > HEADERS or not url.isascii():
        return False
    words = b"".join([word for header in headers for word in header])
    if len(url) + len(words) > BYTES or not PLAIN.fullmatch(words):
        return False
    return not any(name in UNUSUAL for name, _ in headers)


def request_of(method: str, url: bytes, headers: list[tuple[bytes, bytes]]) -> Request:
    """Build the request object that websockets would have parsed."""
    found = Headers()
    for name, value in headers:
        found.set_insecure(name.decode("ascii"), value.strip(b" \t").decode("latin-1"))  # httptools has checked the names
    return Request(url.decode("ascii"), found, method)


def answer_of(method: str, headers: list[tuple[bytes, bytes]], *, negotiates: bool) -> Response | None:
    """Build websockets' answer to a plain request.

    None if it must check or negotiate something.
    """
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in NEGOTIATED and (negotiates or name == b"sec-websocket-protocol"):
            return None
        if name in ONCE:
            if name in found:
                return None
            found[name] = value.strip(b" \t")
    key = found.get(b"sec-websocket-key", b"")
    if (
        method != "GET"
        or found.get(b"connection", b"").lower() not in CONNECTION
        or found.get(b"upgrade", b"").lower() != b"websocket"
        or found.get(b"sec-websocket-version") != b"13"
        or not KEY.fullmatch(key)
    ):
        return None
    accept = base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest()).decode("ascii")
    answer = Headers()
    # The server adds the date itself; reading the clock here would be a waste.
    for line in (("Date", ""), ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)):
        answer.set_insecure(*line)
    return Response(101, "Switching Protocols", answer)
