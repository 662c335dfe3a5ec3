"""Request bodies that are read as they arrive.

Features name the paths (`core.features.LargeBody`). Django reads a body before it calls a view: a stranger's upload would lie
on the disk before it is known who sends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from django.http import HttpRequest

from core.features import installed

App = Callable[[Any, Any, Any], Awaitable[None]]
_NAME = "hubbub.body"


class Body:
    """The body of one request."""

    def __init__(self, receive: Callable[[], Awaitable[Any]], headers: list[tuple[bytes, bytes]]) -> None:
        self._receive = receive
        # Ended, or the client is gone.
        self._done = asyncio.Event()
        self._gone = False
        self.complete = False
        # The request's own length; Django sees a request without a body.
        self.content_type = next((value.decode("latin-1") for name, value in headers if name == b"content-type"), "")

    async def read(self) -> bytes:
        """Return the next bytes; none at the end.

        When the client has gone, Django cancels the view in here.
        """
        while not self.complete:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._gone = True
                self._done.set()
                await asyncio.get_running_loop().create_future()
            self.complete = not message.get("more_body", False)
            if self.complete:
                self._done.set()
            if message.get("body"):
                return bytes(message["body"])
        return b""

    async def receive_disconnect(self) -> Any:
        await self._done.wait()
        return {"type": "http.disconnect"} if self._gone else await self._receive()


def with_large_bodies(app: App) -> App:
    """Call `app` before the body of such a request has come."""

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        if installed().body_of(scope["method"], scope["path"]) is None:
            await app(scope, receive, send)
            return
        body, received = Body(receive, scope["headers"]), False

        async def receive_once() -> Any:
            nonlocal received
            if received:
                return await body.receive_disconnect()
            received = True
            return {"type": "http.request", "body": b"", "more_body": False}

        headers = [(name, value) for name, value in scope["headers"] if name not in {b"content-type", b"content-length"}]
        await app({**scope, "headers": headers, _NAME: body}, receive_once, send)

    return wrapped


def body_of(request: HttpRequest) -> Body:
    """Return the body of a request to such a path."""
    found: Body = request.scope[_NAME]  # type: ignore[attr-defined]
    return found
