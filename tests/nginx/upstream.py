"""A real ASGI server behind nginx that returns its requests."""

import json
from typing import Any

# Ends in the sign that tells parts of nginx' own keys apart: the app's policy does in one of nine runs.
OWN_POLICY = "default-src 'none'; img-src data:"


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """HTTP: answer with the request as JSON.

    WebSocket: send it as JSON, then echo.
    """
    seen = {
        "kind": scope["type"],
        "path": scope.get("path"),
        "query": scope.get("query_string", b"").decode(),
        "client": (scope.get("client") or [None])[0],
        "headers": [[name.decode(), value.decode("latin-1")] for name, value in scope.get("headers", [])],
    }
    if scope["type"] == "http":
        await _answer(scope["path"], seen, receive, send)
    elif scope["type"] == "websocket":
        await _echo(seen, receive, send)


async def _answer(path: str, seen: dict[str, Any], receive: Any, send: Any) -> None:
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    headers = [(b"content-type", b"application/json")]
    if path in {"/own-headers", "/static/assets/gone-as-django.js"}:
        headers += [(b"content-security-policy", OWN_POLICY.encode()), (b"x-frame-options", b"SAMEORIGIN")]
    if path == "/readyz":
        headers += [(b"retry-after", b"7")]
    if path.startswith("/static/"):
        headers += [(b"cache-control", b"max-age=31536000, public, immutable")]
    status = 503 if path == "/readyz" else 404 if path.startswith("/static/assets/gone") else 200
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(seen).encode()})


async def _echo(seen: dict[str, Any], receive: Any, send: Any) -> None:
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": json.dumps(seen)})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event.get("text"), "bytes": event.get("bytes")})
