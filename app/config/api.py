"""The HTTP API: its routers, its errors, its OpenAPI document."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from asgiref.sync import sync_to_async
from django.http import HttpRequest
from ninja.parser import Parser
from ninja.renderers import BaseRenderer

from config import api_errors
from config.openapi import DocumentedAPI
from core.features import installed
from realtime.feature_gate import require


class StrictParser(Parser):
    """Parses JSON as the sockets do: lone surrogates and NaN are refused.

    Without this they would fail only later, in the hasher or the database.
    """

    def parse_body(self, request: HttpRequest) -> Any:
        # Every body is an object; ninja would treat a list as an empty one.
        return msgspec.json.decode(request.body, type=dict[str, Any])


class FastRenderer(BaseRenderer):
    """Renders JSON as the sockets do.

    Django's encoder blocks the event loop for milliseconds with a page of 500 rooms.
    """

    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        return msgspec.json.encode(data)


api = DocumentedAPI(
    parser=StrictParser(),
    renderer=FastRenderer(),
    title="Hubbub",
    version="1",
    description="The HTTP half of the chat. The WebSocket half is in docs/protocol.md and docs/asyncapi.yaml.",
    openapi_url="openapi.json",
    docs_url="docs",
    urls_namespace="api",
)


def _guard(feature: str) -> Callable[[Callable[..., Any]], Callable[..., Awaitable[Any]]]:
    """Refuse a feature's calls while it is switched off."""

    def guarded(view: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
        waits = inspect.iscoroutinefunction(view)

        @functools.wraps(view)
        async def run(*args: Any, **fields: Any) -> Any:
            await require(feature)
            return await view(*args, **fields) if waits else await sync_to_async(view)(*args, **fields)

        return run

    return guarded


for feature in installed().all:
    for path, router in feature.routers:
        if feature in installed().features:
            router.add_decorator(_guard(feature.name))
        api.add_router(path, router)
api_errors.install(api)
