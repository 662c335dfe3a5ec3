"""Join the Cookie headers of a request.

HTTP/2 sends cookies in several headers, and some proxies hand them on so. Django joins them by commas, which no cookie
parser splits, and a handshake would use the last one only: both would lose the session.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

App = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


def with_joined_cookies(app: App) -> App:
    """Call `app` with at most one Cookie header."""

    # No coroutine of its own, which each idle socket would keep.
    def joined(scope: dict[str, Any], receive: Any, send: Any) -> Awaitable[None]:
        cookies = [value for name, value in scope["headers"] if name == b"cookie"]
        if len(cookies) > 1:
            others = [header for header in scope["headers"] if header[0] != b"cookie"]
            scope = scope | {"headers": [*others, (b"cookie", b"; ".join(cookies))]}
        return app(scope, receive, send)

    return joined
