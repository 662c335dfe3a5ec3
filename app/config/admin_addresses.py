"""Limit the admin pages to addresses: ADMIN_ADDRESSES."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from ipaddress import ip_address, ip_network
from typing import Any

import structlog
from django.conf import settings
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import async_only_middleware
from django.views.defaults import page_not_found

from core.addresses import refuse
from core.client_network import NETWORKS, network_of, unmapped

logger = structlog.get_logger(__name__)

NAME = "ADMIN_ADDRESSES"
FORM = f"{NETWORKS}, or all, or none"
LOG_EVERY_S = 60.0

Next = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


def parse_networks(items: list[str], *, development: bool) -> list[Any]:
    """Parse the setting; unset: all in development, none elsewhere.

    Raises ImproperlyConfigured.
    """
    if not items:
        items = ["all" if development else "none"]
    if items == ["none"]:
        return []
    if items == ["all"]:
        return [ip_network("0.0.0.0/0"), ip_network("::/0")]
    networks = []
    for item in items:
        try:
            networks.append(network_of(item))
        except ValueError:
            refuse(NAME, f"holds {item!r}", FORM)
    return networks


def is_allowed(address: str) -> bool:
    """Return whether a client at `address` may reach the pages.

    IPv4-mapped counts as IPv4; an invalid address may not.
    """
    try:
        parsed = ip_address(unmapped(address))
    except ValueError:
        return False
    return any(parsed in network for network in settings.ADMIN_NETWORKS)


@async_only_middleware
def guard(get_response: Next) -> Next:
    """Answer 404 below /admin/ to other addresses than ADMIN_ADDRESSES.

    Log it at most once a minute.
    """
    logged_at = -LOG_EVERY_S

    async def middleware(request: HttpRequest) -> HttpResponseBase:
        nonlocal logged_at
        if not f"{request.path}/".startswith("/admin/"):
            return await get_response(request)
        address = str(request.META.get("REMOTE_ADDR", ""))  # uvicorn has set it from a trusted proxy's header
        if is_allowed(address):
            return await get_response(request)
        if time.monotonic() - logged_at >= LOG_EVERY_S:
            logged_at = time.monotonic()
            logger.warning("the administrator's pages are closed to this address; set ADMIN_ADDRESSES", address=address)
        return page_not_found(request, Http404())

    return middleware
