"""Measure each HTTP request, and give it an id for its log lines and its answer."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import async_only_middleware

from core import metrics
from core.logging import about

Next = Callable[[HttpRequest], Awaitable[HttpResponseBase]]
HEADER = "X-Request-ID"
# As nginx makes them, and other proxies; anything else might forge a log line.
ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Ids:
    """What log lines say of a request."""

    def __init__(self, request: HttpRequest) -> None:
        given = request.headers.get(HEADER, "")
        self.request, self.id = request, given if ID.fullmatch(given) else secrets.token_hex(16)

    def log_ids(self) -> dict[str, Any]:
        return {"request": self.id} | ({} if (user := self._user()) is None else {"user": user})

    def _user(self) -> int | None:
        """Return the user's id if it is already known: a log line costs no look-up."""
        authenticated = getattr(self.request, "auth", None)
        if isinstance(authenticated, tuple):  # the API's, by a token or a session
            user: int = authenticated[0].id
            return user
        found = getattr(self.request, "_acached_user", None) or getattr(self.request, "_cached_user", None)
        return getattr(found, "pk", None)


@async_only_middleware
def measured(get_response: Next) -> Next:
    """Measure requests by route, and name them.

    All other middleware is within it, but for the wait of refusals.
    """

    async def middleware(request: HttpRequest) -> HttpResponseBase:
        ids = Ids(request)
        about(ids)
        begun = time.perf_counter()
        response = await get_response(request)
        elapsed = time.perf_counter() - begun
        route, kind = route_of(request)
        method = request.method if request.method in METHODS else "other"
        metrics.REQUESTS.labels(method, route, f"{response.status_code // 100}xx").observe(elapsed)
        metrics.REQUEST_SECONDS.labels(kind).observe(elapsed)
        response.headers[HEADER] = ids.id
        return response

    return middleware


def route_of(request: HttpRequest) -> tuple[str, str]:
    """Return the route's pattern and its kind.

    Both are bounded: a path never becomes a label.
    """
    if request.path_info.startswith(settings.STATIC_URL):
        return "static", "static"
    match = getattr(request, "resolver_match", None)
    if match is None or match.route is None:
        return "none", "none"
    route: str = match.route
    if route.startswith("admin/"):
        return "admin", "admin"
    if route.startswith(("api/", "^api/")):
        # An event stream lasts for hours, but its head is sent at once.
        return route, "api"
    return route or "/", "page"
