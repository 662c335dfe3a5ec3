"""`POST /nginx-drain`: a stopping nginx asks to close its sockets.

nginx itself proxies no request to this path.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from realtime import hub
from realtime.nginx_drain import instance_of

App = Callable[[dict[str, Any], Any, Any], Awaitable[None]]
PATH = "/nginx-drain"
MOST_S = 3600.0


def with_nginx_drain(app: App) -> App:
    """Answer this path in front of the HTTP application."""

    async def draining(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["path"] != PATH:
            await app(scope, receive, send)
            return
        status, text = _answer(scope)
        headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(text)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": text.encode()})

    return draining


def _answer(scope: dict[str, Any]) -> tuple[int, str]:
    if scope["method"] != "POST":
        return 405, "POST only\n"
    instance, seconds = instance_of(scope), _seconds(scope)
    if instance is None:
        return 400, "X-Nginx-Instance must be 32 hexadecimal digits\n"
    if seconds is None:
        return 400, f"seconds must be a number from 0 to {MOST_S:.0f}\n"
    if not hub.current().nginx_drain.ask(instance, seconds):
        return 429, "too many requests\n"
    return 202, "draining\n"


def _seconds(scope: dict[str, Any]) -> float | None:
    """Return the seconds to spread the closes over; None if out of range."""
    try:
        (text,) = parse_qs(scope["query_string"].decode("latin-1")).get("seconds", ["1"])
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 <= seconds <= MOST_S else None
