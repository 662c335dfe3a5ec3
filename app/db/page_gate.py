"""Queue pages: each takes a thread and a connection, which joins need, too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import async_only_middleware

from core.errors import RateLimited
from core.pace import HTTP_WEIGHT, WAIT_S, Pace
from core.per_loop import PerLoop
from core.refusals import note_refusal
from core.words import said
from db.fair_gate import FairGate

# Concurrent pages of all people signed in. A page takes some milliseconds.
PAGES = 4
# Concurrent submitted forms: most of them wait to hash a password, without a connection.
FORMS = 32
# Waiting pages per session.
WAITING = 50


def _gate(slots: int, share: int) -> FairGate:
    # None waits longer for its own session's pages than a call does.
    within = int(settings.LIMIT_CALLS_PER_S / HTTP_WEIGHT * WAIT_S) or 1
    return FairGate(slots, share=share, waiting=min(WAITING, within) if settings.LIMIT_CALLS_PER_S else WAITING)


# A session's pages at the rate of a person's calls: in a row without a pause they would take a whole core.
_rate = PerLoop(lambda: Pace(settings.LIMIT_CALLS_PER_S))
_pages = PerLoop(lambda: _gate(PAGES, share=1))
_forms = PerLoop(lambda: _gate(FORMS, share=2))


@async_only_middleware
def in_turn(get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]]) -> Callable[..., Awaitable[HttpResponseBase]]:
    """Queue a session's pages.

    The API has its own gate; pages without a session use no database.
    """

    async def middleware(request: HttpRequest) -> HttpResponseBase:
        session = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
        if not session or request.path.startswith("/api/"):
            return await get_response(request)
        gate = _pages() if request.method in {"GET", "HEAD"} else _forms()
        try:
            await gate.enter(session)
        except RateLimited as error:
            note_refusal("pages", request.META.get("REMOTE_ADDR", ""), "")
            headers = {"Retry-After": str(error.retry_after)}
            return HttpResponse(f"{said(error)}\n", status=429, content_type="text/plain", headers=headers)
        try:
            return await get_response(request)
        finally:
            gate.leave(session, rest_s=_rate().charge(session, HTTP_WEIGHT))

    return middleware
