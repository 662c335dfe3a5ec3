"""Set response headers that the views leave out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import async_only_middleware

Next = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


@async_only_middleware
def uncached(get_response: Next) -> Next:
    """Keep pages and the API out of every cache.

    They contain private data or a form's token.

    Static files set their own lifetime.
    """

    async def middleware(request: HttpRequest) -> HttpResponseBase:
        response = await get_response(request)
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response

    return middleware
