"""Who makes this HTTP call: a token in the header, or the session cookie with a CSRF token on unsafe methods."""

from __future__ import annotations

from django.http import HttpRequest
from ninja.errors import AuthenticationError, HttpError
from ninja.utils import check_csrf

from accounts.credentials import by_header, origin_allowed
from accounts.services import session_credential
from realtime.errors import BadCredentials
from realtime.publish import Person


async def authenticated(request: HttpRequest) -> tuple[Person, str]:
    """ninja's auth callable: its result is `request.auth`. Raises AuthenticationError, or HttpError 403 without CSRF token."""
    header = request.headers.get("Authorization")
    if header:
        try:
            return await by_header(header)
        except BadCredentials as error:
            raise AuthenticationError from error
    user = await request.auser()
    if not user.is_authenticated:
        raise AuthenticationError
    if request.method not in {"GET", "HEAD", "OPTIONS"} and check_csrf(request, _view) is not None:
        raise HttpError(403, "the session cookie needs a CSRF token: send the csrftoken cookie as X-CSRFToken")
    return Person(user.pk, user.get_username()), session_credential(request.session)


def same_site(request: HttpRequest) -> None:
    """Refuses a sign-in that a foreign page started (login CSRF). Raises HttpError 403."""
    if not origin_allowed(request.headers.get("Origin", "")):
        raise HttpError(403, "this Origin may not sign people in")


def _view() -> None:
    """check_csrf asks whether the view is exempt; this one is not."""
