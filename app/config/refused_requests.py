"""Slow down clients whose requests are refused again and again.

A refused request costs about as much processor time as an answered one. A client that repeats refused requests at once, with
many under way, would take the worker's whole core.
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
# Whatever is wrong with a call that waited for no account's rate of calls, such as a guessed address.
ERRORS = range(400, 500)
# Longest wait of a refusal: its sender keeps a connection and some memory until then.
WAIT_S = 1.0

_rate = PerLoop(lambda: Pace(settings.LIMIT_CALLS_PER_S))


@async_only_middleware
def slow(get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]]) -> Callable[..., Awaitable[HttpResponseBase]]:
    """Let a network's refusals wait where they come faster than calls may.

    The outermost middleware, so that the metrics of requests leave the wait out.
    """

    async def middleware(request: HttpRequest) -> HttpResponseBase:
        response = await get_response(request)
        paced = getattr(request, "paced", False)
        if response.status_code in REFUSALS or (response.status_code in ERRORS and not paced):
            network = client_network(request.META.get("REMOTE_ADDR") or "?")
            await asyncio.sleep(_rate().charge(network, HTTP_WEIGHT, most_s=WAIT_S))
        return response

    return middleware
