"""Authenticate an HTTP call by a token in the header or by the session cookie.

With the cookie, unsafe methods need a CSRF token.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable

from django.conf import settings
from django.http import HttpRequest
from ninja.errors import AuthenticationError, HttpError
from ninja.utils import check_csrf

from accounts.credentials import by_header, by_session, origin_allowed
from core import pace
from core.errors import BadCredentials, Forbidden, OtherUser
from core.features import installed
from core.refusals import note_refusal
from core.words import words as _
from realtime.publish import Person

# Names the person for whom a page makes the call, by id: the cookie may be another person's by now.
USER_HEADER = "Hubbub-User"


async def authenticated(request: HttpRequest) -> tuple[Person, str]:
    """Authenticate for ninja; the result is `request.auth`.

    Waits for the person's rate limit.

    Raises AuthenticationError, OtherUser, HttpError 403 without CSRF token, or RateLimited.
    """
    return await _paced(request, "")


def or_by(kind: str) -> Callable[[HttpRequest], Awaitable[tuple[Person, str]]]:
    """Return `authenticated` for calls that take a `core.features.TokenKind`, too."""
    return functools.partial(_paced, kind=kind)


async def _paced(request: HttpRequest, kind: str) -> tuple[Person, str]:
    found = await identified(request, kind)
    await pace.calls().wait(found[0].id, weight=pace.HTTP_WEIGHT)
    request.paced = True  # type: ignore[attr-defined]  # for config.refused_requests
    return found


async def identified(request: HttpRequest, kind: str = "") -> tuple[Person, str]:
    """Authenticate without a rate limit, for calls that have one of their own.

    Raises as `authenticated` does.
    """
    found = await _identified(request)
    named = found[1].partition(":")[0]
    if named in installed().tokens and named != kind:
        raise Forbidden(_("this token may not make this call"))
    return found


async def _identified(request: HttpRequest) -> tuple[Person, str]:
    header = request.headers.get("Authorization")
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    if not header and not key:
        raise AuthenticationError
    try:
        # request.auser() would use a thread and a connection that joins need.
        found = await (by_header(header) if header else by_session(str(key)))
    except BadCredentials as error:
        raise AuthenticationError from error
    if request.headers.get(USER_HEADER, str(found[0].id)) != str(found[0].id):
        raise OtherUser(_("another person is signed in with this browser"))
    if not header and request.method not in {"GET", "HEAD", "OPTIONS"} and check_csrf(request, _view) is not None:
        raise HttpError(403, "the session cookie needs a CSRF token: send the csrftoken cookie as X-CSRFToken")
    return found


def identity_of(request: HttpRequest) -> tuple[Person, str]:
    """Return the person and the credential of an authenticated call."""
    found: tuple[Person, str] = request.auth  # type: ignore[attr-defined]  # set by ninja
    return found


def person_of(request: HttpRequest) -> Person:
    return identity_of(request)[0]


def user_id(request: HttpRequest) -> int:
    return person_of(request).id


def same_site(request: HttpRequest) -> None:
    """Refuse a sign-in started by another site's page (login CSRF).

    Raises HttpError 403.
    """
    if not origin_allowed(request.headers.get("Origin", "")):
        note_refusal("origin", request.headers["Origin"], "PUBLIC_URL, ALLOWED_ORIGINS")
        raise HttpError(403, "this Origin may not sign people in")


def _view() -> None:
    """Stand in for a view without CSRF exemption, for check_csrf."""
