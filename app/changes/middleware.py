"""After a page that may have written: every process reads the journal at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import async_only_middleware

from realtime.publish import changed

READING = {"GET", "HEAD", "OPTIONS", "TRACE"}


@async_only_middleware
def nudge(get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]]) -> Callable[..., Awaitable[HttpResponseBase]]:
    """The API publishes by itself; a page that is forgotten here costs its reader the time to the next poll."""

    async def middleware(request: HttpRequest) -> HttpResponseBase:
        response = await get_response(request)
        if request.method not in READING and not request.path.startswith("/api/"):
            changed()
        return response

    return middleware
