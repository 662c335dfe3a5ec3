"""Make every process read the journal after a page that may have written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import async_only_middleware

from realtime.publish import changed

READING = {"GET", "HEAD", "OPTIONS", "TRACE"}


@async_only_middleware
def nudge(get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]]) -> Callable[..., Awaitable[HttpResponseBase]]:
    """Publish a change after each unsafe request of a page.

    The API publishes by itself. Without this a change takes effect at the next poll.
    """

    async def middleware(request: HttpRequest) -> HttpResponseBase:
        response = await get_response(request)
        if request.method not in READING and not request.path.startswith("/api/"):
            changed()
        return response

    return middleware
