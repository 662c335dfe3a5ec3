"""Headers of answers that their views do not set."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import async_only_middleware

Next = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


@async_only_middleware
def uncached(get_response: Next) -> Next:
    """Keep pages and the API out of every cache: they hold what one person may see, or a form's token.

    Static files say themselves how long they may be kept.
    """

    async def middleware(request: HttpRequest) -> HttpResponseBase:
        response = await get_response(request)
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response

    return middleware
