"""Run Django's middleware without threads.

Django runs each `process_request` and `process_response` of an async request in a thread. They compute for microseconds, but
switching threads takes a hundred times as long: 14 switches took seven milliseconds of a trivial call. Here they run on the
event loop, except methods that may query the database or read a file.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import markcoroutinefunction, sync_to_async
from csp.middleware import CSPMiddleware
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.signals import request_started
from django.db import close_old_connections, reset_queries
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.locale import LocaleMiddleware
from django.middleware.security import SecurityMiddleware
from whitenoise.middleware import WhiteNoiseMiddleware

Next = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


class Inline:
    """Mix in before a middleware of Django."""

    sync_capable = False

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        middleware: Any = self
        response: HttpResponseBase | None = None
        if hasattr(self, "process_request"):
            response = middleware.process_request(request)
        response = response or await middleware.get_response(request)
        if not hasattr(self, "process_response"):
            return response
        if self.may_block(request):
            return await sync_to_async(middleware.process_response)(request, response)
        return middleware.process_response(request, response)

    def may_block(self, request: HttpRequest) -> bool:
        """Return whether `process_response` may query the database."""
        return False


class Security(Inline, SecurityMiddleware):
    pass


class Csp(Inline, CSPMiddleware):
    pass


class XFrameOptions(Inline, XFrameOptionsMiddleware):
    pass


class Sessions(Inline, SessionMiddleware):
    def process_request(self, request: HttpRequest) -> None:
        key = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
        # Keys are letters and digits. Postgres fails at a NUL, which a quoted cookie can hold.
        request.session = self.SessionStore(key if key.isalnum() else None)

    def may_block(self, request: HttpRequest) -> bool:
        return request.session.modified


class Language(Inline, LocaleMiddleware):
    pass


class Common(Inline, CommonMiddleware):
    pass


class Csrf(Inline, CsrfViewMiddleware):
    async def process_view(  # type: ignore[override]
        self, request: HttpRequest, callback: Any, args: Any, options: Any
    ) -> HttpResponseBase | None:
        """Read the body of forms only: API calls are exempt and check by themselves."""
        return super().process_view(request, callback, args, options)


class Authentication(Inline, AuthenticationMiddleware):
    pass


class Messages(Inline, MessageMiddleware):
    def may_block(self, request: HttpRequest) -> bool:
        messages = getattr(request, "_messages", None)
        return messages is not None and (messages.used or messages.added_new)


class StaticFiles(WhiteNoiseMiddleware):
    """Serves the files that existed at the start.

    All other requests pass without a thread.
    """

    async_capable, sync_capable = True, False

    def __init__(self, get_response: Next) -> None:
        super().__init__(get_response)
        markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        found = self.files.get(request.path_info)
        if self.autorefresh:
            found = await sync_to_async(self.find_file)(request.path_info)
        if found is None:
            return await self.get_response(request)
        return await sync_to_async(self.serve)(found, request)


def without_first_hop() -> None:
    """Skip Django's cleanup of old connections at the start of a request.

    A request that needs a thread gets a new one, without connections.
    """
    request_started.disconnect(close_old_connections)
    request_started.disconnect(reset_queries)
