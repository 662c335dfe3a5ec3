"""Our handshake has the same outcome as uvicorn's, parsed once."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from uvicorn import Config, Server

from server.http_protocol import HttpProtocol, answer_of, is_plain, request_of
from server.websocket.socket_protocol import EXTENSION, SocketProtocol

pytestmark = pytest.mark.once

KEY = b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
HANDSHAKE = b"Host: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
GET = b"GET /ws/?token=%41%C3%A9+x HTTP/1.1\r\n"
REQUESTS = {
    "plain": GET + HANDSHAKE + KEY,
    "spaces and tabs": GET + HANDSHAKE + KEY + b"X-Odd: \t a  b \t\r\n",
    "not ASCII": GET + HANDSHAKE + KEY + b"Cookie: a=\xe9\xff\r\n",
    "empty value": GET + HANDSHAKE + KEY + b"X-Empty:\r\n",
    "twice": GET + HANDSHAKE + KEY + b"Cookie: a=1\r\nCookie: b=2\r\n",
    "keep-alive": GET + HANDSHAKE.replace(b": Upgrade", b": keep-alive, Upgrade") + KEY,
    "other cases": GET + HANDSHAKE.replace(b"websocket", b"WebSocket").replace(b": Upgrade", b": UPGRADE") + KEY,
    "two upgrades": GET + HANDSHAKE.replace(b"websocket", b"websocket\r\nUpgrade: websocket") + KEY,
    "an origin": GET + HANDSHAKE + KEY + b"Origin: https://chat.example\r\n",
    "two origins": GET + HANDSHAKE + KEY + b"Origin: https://a.example\r\nOrigin: https://b.example\r\n",
    "an extension": GET + HANDSHAKE + KEY + b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
    "a bad extension": GET + HANDSHAKE + KEY + b"Sec-WebSocket-Extensions: ;;\r\n",
    "a space behind the key": GET + HANDSHAKE + KEY.replace(b"\r\n", b" \r\n"),
    "a key too long": GET + HANDSHAKE + KEY.replace(b"AA==", b"AAA="),
    "a path in escapes": GET.replace(b"/ws/", b"/w%73/%2F%C3%A9%zz") + HANDSHAKE + KEY,
    "no query": GET.replace(b"?token=%41%C3%A9+x", b"") + HANDSHAKE + KEY,
    "two question marks": GET.replace(b"+x", b"?x#y") + HANDSHAKE + KEY,
    "HTTP/1.0": GET.replace(b"1.1", b"1.0") + HANDSHAKE + KEY,
    "several tokens": GET + HANDSHAKE.replace(b": Upgrade", b": keep-alive, upgrade") + KEY,
    "subprotocols": GET + HANDSHAKE + KEY + b"Sec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Protocol: c\r\n",
    "no key": GET + HANDSHAKE,
    "bad key": GET + HANDSHAKE + KEY.replace(b"AAAA", b""),
    "two keys": GET + HANDSHAKE + KEY + KEY,
    "old version": GET + HANDSHAKE.replace(b"13", b"8") + KEY,
    "POST": GET.replace(b"GET", b"POST") + HANDSHAKE + KEY,
    "a body": GET + HANDSHAKE + KEY + b"Content-Length: 4\r\n",
    "no body": GET + HANDSHAKE + KEY + b"Content-Length: 0\r\n",
    "chunks": GET + HANDSHAKE + KEY + b"Transfer-Encoding: chunked\r\n",
    "a long line": GET + HANDSHAKE + KEY + b"X-Long: " + b"a" * 9000 + b"\r\n",
    "a long path": GET.replace(b"/ws/", b"/ws/" + b"a" * 9000) + HANDSHAKE + KEY,
    "a hundred lines": GET + HANDSHAKE + KEY + b"X-Line: 1\r\n" * 95,
    "more than a slice": GET + HANDSHAKE + KEY + b"X-Line: " + b"a" * 6000 + b"\r\n",
    "many lines, more than a slice": GET + HANDSHAKE + KEY + (b"X-Line: " + b"a" * 60 + b"\r\n") * 110,
    "too many lines": GET + HANDSHAKE + KEY + b"X-Line: 1\r\n" * 130,
    "DEL": GET + HANDSHAKE + KEY + b"X-Odd: a\x7fb\r\n",
    "path not ASCII": GET.replace(b"/ws/", b"/ws/\xc3\xa9") + HANDSHAKE + KEY,
}

# Our own limits (server/request_limits.py) answer before websockets would.
LIMITED = {"too many lines", "a long path"}


class Asked:
    """An application that records its requests and greets."""

    def __init__(self) -> None:
        self.scopes: list[dict[str, Any]] = []

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        known = (
            "asgi",
            "server",
            "root_path",
            "extensions",
            "type",
            "scheme",
            "path",
            "raw_path",
            "query_string",
            "headers",
            "subprotocols",
            "http_version",
            "state",
        )
        self.scopes.append(
            {name: scope[name] for name in known}
            | {"names": set(scope), "server": scope["server"][0], "extensions": set(scope["extensions"])}
        )
        await receive()
        await send({"type": "websocket.accept"})
        scope["extensions"][EXTENSION].write_frames(b"\x81\x02hi")


@pytest.fixture
async def answers() -> AsyncIterator[Any]:
    """`await answers(http, request)` returns the answer and the ASGI scopes."""
    running: dict[Any, tuple[Server, asyncio.Task[None], Asked, Any]] = {}

    def start(http: Any) -> None:
        app, listening = Asked(), socket.create_server(("127.0.0.1", 0))
        server = Server(Config(app, http=http, ws=SocketProtocol, lifespan="off", log_level="critical", date_header=False))
        running[http] = server, asyncio.create_task(server.serve(sockets=[listening])), app, listening.getsockname()

    async def ask(http: Any, request: bytes) -> tuple[list[bytes], list[dict[str, Any]]]:
        if http not in running:
            start(http)
        _, _, app, address = running[http]
        app.scopes = []
        reader, writer = await asyncio.open_connection(*address)
        writer.write(request + b"\r\n")
        answer = await asyncio.wait_for(reader.read(), 30)
        writer.close()
        lines = [line for line in answer.split(b"\r\n") if not line.lower().startswith(b"date:")]
        return lines, app.scopes

    yield ask
    for server, serving, _, _ in running.values():
        server.should_exit = True
        await serving


async def test_handshake_has_the_outcome_of_uvicorns_parser(answers: Any) -> None:
    asked = {name: request for name, request in REQUESTS.items() if name not in LIMITED}
    ours = {name: await answers(HttpProtocol, request) for name, request in asked.items()}
    theirs = {name: await answers("httptools", request) for name, request in asked.items()}
    assert ours == theirs
    assert sum(bool(scopes) for _, scopes in ours.values()) > len(REQUESTS) / 3


async def test_too_large_request_gets_an_answer(answers: Any) -> None:
    for name, status in (("a long line", b" 431 "), ("too many lines", b" 431 "), ("a long path", b" 414 ")):
        lines, scopes = await answers(HttpProtocol, REQUESTS[name])
        assert status in lines[0], name
        assert not scopes


async def test_hello_follows_the_handshake_answer(answers: Any) -> None:
    lines, scopes = await answers(HttpProtocol, REQUESTS["plain"])
    assert lines[0].startswith(b"HTTP/1.1 101 ")
    assert lines[-1] == b"\x81\x02hi"
    assert len(scopes) == 1


def test_doubtful_handshake_is_left_to_websockets() -> None:
    plain = [(b"host", b"here"), (b"cookie", b"a=1")]
    assert is_plain(b"/ws/?x", plain)
    found = request_of("GET", b"/ws/?x", plain)
    assert (found.path, list(found.headers.raw_items())) == ("/ws/?x", [("host", "here"), ("cookie", "a=1")])
    for url, headers in (
        (b"/\xc3", plain),
        (b"/" + b"a" * 8000, plain),
        (b"/", [*plain, (b"content-length", b"4")]),
        (b"/", [(b"x", b"a\x7f")]),
        (b"/", plain * 60),
    ):
        assert not is_plain(url, headers)


def test_only_plain_handshake_is_answered_here() -> None:
    lines = {b"upgrade": b"websocket", b"connection": b"Upgrade", b"sec-websocket-version": b"13"}
    lines |= {b"sec-websocket-key": b"dGhlIHNhbXBsZSBub25jZQ==", b"host": b"here"}
    plain = list(lines.items())
    answer = answer_of("GET", plain, negotiates=True)
    assert answer is not None
    assert answer.headers["Sec-WebSocket-Accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, 1.3
    offer = [(b"sec-websocket-extensions", b"permessage-deflate")]
    assert answer_of("GET", plain + offer, negotiates=False) is not None
    others = [plain + offer, [*plain, (b"sec-websocket-protocol", b"chat")]]
    others += [[*plain, line] for line in plain if line[0] != b"host"]
    others += [[line for line in plain if line is not left_out] for left_out in plain if left_out[0] != b"host"]
    others += [[*plain, (b"origin", b"https://a.example"), (b"origin", b"https://b.example")]]
    for headers in others:
        assert answer_of("GET", headers, negotiates=True) is None, headers
    assert answer_of("POST", plain, negotiates=True) is None
