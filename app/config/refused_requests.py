"""Slow down clients whose requests are refused again and again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import async_only_middleware

from core.client_network import client_network
from core.pace import slow_refusal

# Without a valid credential, without the right to it, or too often.
REFUSALS = frozenset({401, 403, 429})
# Whatever is wrong with a call that waited for no account's rate of calls, such as a guessed address.
ERRORS = range(400, 500)


@async_only_middleware
def slow(get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]]) -> Callable[..., Awaitable[HttpResponseBase]]:
    """Let a network's refusals wait where they come faster than calls may.

    The outermost middleware, so that the metrics of requests leave the wait out.
    """

    async def middleware(request: HttpRequest) -> HttpResponseBase:
        response = await get_response(request)
        paced = getattr(request, "paced", False)
        if response.status_code in REFUSALS or (response.status_code in ERRORS and not paced):
            await slow_refusal(client_network(request.META.get("REMOTE_ADDR") or "?"))
        return response

    return middleware
