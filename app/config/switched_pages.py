"""Pages of features that are switched off do not exist."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import async_only_middleware

from core.features import installed


@async_only_middleware
def hide(get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]]) -> Callable[..., Awaitable[HttpResponseBase]]:
    """Answer 404 for a view of a feature that is switched off."""

    async def middleware(request: HttpRequest) -> HttpResponseBase:
        return await get_response(request)

    async def process_view(request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
        if view in installed().refused:
            raise Http404

    middleware.process_view = process_view  # type: ignore[attr-defined]
    return middleware
