"""Tell a doctor how its request arrived, over HTTP and over a WebSocket.

The answer has host, scheme, address and Origin. It needs a token of this installation, signed with SECRET_KEY: without one the
path does not exist.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from django.conf import settings
from django.core import signing

PATH, SOCKET_PATH = "/doctor", "/ws/doctor"
TOKEN_S = 600
_SALT = "ops.doctor"

App = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


def make_token() -> str:
    """Return a token for TOKEN_S seconds."""
    return signing.dumps("doctor", salt=_SALT)


def with_echo(app: App) -> App:
    """Answer both paths in front of the HTTP application."""

    async def answering(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["path"] not in {PATH, SOCKET_PATH} or not _is_ours(scope):
            await app(scope, receive, send)
            return
        # A handshake whose upgrade was lost on the way arrives as a plain request.
        status, body = (200 if scope["path"] == PATH else 426), msgspec.json.encode(arrival(scope))
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return answering


def with_socket_echo(app: App) -> App:
    """Answer the socket's path in front of the hub.

    Say how the request arrived, send one text back, and close.
    """

    # No coroutine of its own around the hub's: each open socket would keep its frame.
    def answering(scope: dict[str, Any], receive: Any, send: Any) -> Awaitable[None]:
        ours = scope["path"] == SOCKET_PATH and _is_ours(scope)
        return _echo(scope, receive, send) if ours else app(scope, receive, send)

    return answering


async def _echo(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": msgspec.json.encode(arrival(scope)).decode()})
    message = await receive()
    if message["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": str(message.get("text"))[:100]})
        await send({"type": "websocket.close", "code": 1000})


def arrival(scope: dict[str, Any]) -> dict[str, Any]:
    """Return how a request arrived, and what is wrong with that.

    `{"host", "scheme", "client", "origin", "problems": [{"text", "change"}]}`
    """
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    seen = {
        "host": headers.get("host", ""),
        "scheme": {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"]),
        "client": (scope.get("client") or ("?", 0))[0],
        "origin": headers.get("origin", ""),
    }
    problems = [{"text": text, "change": change} for text, change in _problems(seen)]
    return {**seen, "problems": problems}


def _problems(seen: dict[str, str]) -> list[tuple[str, str]]:
    public = urlsplit(settings.PUBLIC_URL)
    found = []
    if seen["host"].lower() != public.netloc:
        found.append(
            (
                f"the app receives the host {seen['host']!r}, and PUBLIC_URL says {public.netloc!r}",
                f"the proxy must pass Host as it came, or PUBLIC_URL={public.scheme}://{seen['host'].lower()}",
            )
        )
    if seen["scheme"] != public.scheme:
        found.append(
            (
                f"the app receives the scheme {seen['scheme']}, and PUBLIC_URL says {public.scheme}",
                "the proxy must set X-Forwarded-Proto, and TRUSTED_PROXIES must name its address",
            )
        )
    if seen["origin"] and seen["origin"].lower() not in {allowed.lower() for allowed in settings.ALLOWED_ORIGINS}:
        found.append(
            (
                f"pages of {seen['origin']} may not sign in or open sockets",
                f"ALLOWED_ORIGINS={seen['origin']}, or PUBLIC_URL if that is the address people use",
            )
        )
    return found


def _is_ours(scope: dict[str, Any]) -> bool:
    (token,) = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[:1]
    try:
        signing.loads(token, salt=_SALT, max_age=TOKEN_S)
    except signing.BadSignature:
        return False
    return True
