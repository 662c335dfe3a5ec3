"""Slow down who is refused again and again.

A refusal costs the worker as much as many an answer. Who repeats a refused request at once, with many under way, would take
its whole core from everybody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import async_only_middleware

from core.client_network import client_network
from core.pace import HTTP_WEIGHT, Pace
from core.per_loop import PerLoop

# Without a valid credential, without the right to it, or too often.
REFUSALS = frozenset({401, 403, 429})
# Longest wait of a refusal: its sender keeps a connection and some memory until then.
WAIT_S = 1.0

_rate = PerLoop(lambda: Pace(settings.LIMIT_CALLS_PER_S))


@async_only_middleware
def slow(get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]]) -> Callable[..., Awaitable[HttpResponseBase]]:
    """Let a network's refusals wait where they come faster than calls may.

    The outermost middleware: the wait is no part of what a request took.
    """

    async def middleware(request: HttpRequest) -> HttpResponseBase:
        response = await get_response(request)
        if response.status_code in REFUSALS:
            network = client_network(request.META.get("REMOTE_ADDR") or "?")
            await asyncio.sleep(_rate().charge(network, HTTP_WEIGHT, most_s=WAIT_S))
        return response

    return middleware
