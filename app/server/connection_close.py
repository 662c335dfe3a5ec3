"""Close HTTP connections of a draining process.

A proxy then opens its next one elsewhere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from core import state

App = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


def closing_when_drained(app: App) -> App:
    """Add `connection: close` to each HTTP response of a draining process."""

    async def closing(scope: dict[str, Any], receive: Any, send: Any) -> None:
        async def send_and_close(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start" and state.draining:
                message = {**message, "headers": [*message.get("headers", []), (b"connection", b"close")]}
            await send(message)

        await app(scope, receive, send_and_close)

    return closing
