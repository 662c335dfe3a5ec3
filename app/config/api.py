"""The HTTP API: its routers, its errors, its OpenAPI document."""

from __future__ import annotations

from typing import Any

import msgspec
from django.http import HttpRequest
from ninja.parser import Parser
from ninja.renderers import BaseRenderer

from config import api_errors
from config.openapi import DocumentedAPI
from core.features import installed


class StrictParser(Parser):
    """Parses JSON as the sockets do: lone surrogates and NaN are refused here, not later by the hasher or database."""

    def parse_body(self, request: HttpRequest) -> Any:
        # Every body is an object; ninja would treat a list as an empty one.
        return msgspec.json.decode(request.body, type=dict[str, Any])


class FastRenderer(BaseRenderer):
    """Renders JSON as the sockets do. Django's encoder blocks the event loop for milliseconds with a page of 500 rooms."""

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
for path, router in installed().every("routers"):
    api.add_router(path, router)
api_errors.install(api)
