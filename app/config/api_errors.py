"""Errors of the HTTP API as application/problem+json.

The body is `{type, title, status, detail, code, errors?}`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from django.core.exceptions import RequestDataTooBig, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.utils.decorators import async_only_middleware
from django.utils.translation import gettext as _
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError
from ninja.errors import ValidationError as RequestInvalid

from accounts.hashers import Busy
from accounts.services import SignUpClosed
from accounts.throttle import Throttled
from core.errors import FrameRefused
from core.words import said
from db.database import DatabaseUnavailable
from rooms.leaving import OwnershipConflict
from rooms.services import SlugTaken

logger = structlog.get_logger(__name__)


def problem(
    status: int, code: str, detail: str, errors: dict[str, list[str]] | None = None, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    if errors is not None:
        body["errors"] = errors
    return HttpResponse(
        msgspec.json.encode(body), status=status, content_type="application/problem+json", headers=dict(headers or {})
    )


def refused(request: HttpRequest, error: FrameRefused) -> HttpResponse:
    return problem(error.status, error.code, said(error), headers=error.headers)


def invalid(request: HttpRequest, error: RequestInvalid) -> HttpResponse:
    errors: dict[str, list[str]] = {}
    for found in error.errors:
        where = [str(part) for part in found["loc"] if part not in {"body", "query", "path", "payload"}]
        errors.setdefault(".".join(where) or "body", []).append(found["msg"])
    return _fields(errors)


def field_errors(request: HttpRequest, error: ValidationError) -> HttpResponse:
    return _fields(error.message_dict)


def unauthenticated(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    return problem(401, "unauthenticated", _("sign in, or send Authorization: Token …"))


def signup_closed(request: HttpRequest, error: SignUpClosed) -> HttpResponse:
    return problem(403, "signup_closed", _("sign-up is closed here"))


def taken(request: HttpRequest, error: SlugTaken) -> HttpResponse:
    return problem(409, "taken", said(error))


def ownership(request: HttpRequest, error: OwnershipConflict) -> HttpResponse:
    return problem(409, error.code, said(error))


def throttled(request: HttpRequest, error: Throttled) -> HttpResponse:
    return problem(429, "rate_limited", said(error), headers={"Retry-After": str(error.retry_after)})


def unavailable(request: HttpRequest, error: DatabaseUnavailable) -> HttpResponse:
    return problem(503, "unavailable", _("the database did not answer in time"), headers={"Retry-After": "2"})


def busy(request: HttpRequest, error: Busy) -> HttpResponse:
    return problem(503, "unavailable", said(error), headers={"Retry-After": "5"})


def http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    if isinstance(error.__cause__, msgspec.ValidationError):  # valid JSON, but no object
        return _fields({"body": [str(error.__cause__)]})
    code = {400: "bad_json", 403: "forbidden"}.get(error.status_code, "error")
    return problem(error.status_code, code, str(error))


def too_large(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return problem(413, "too_large", _("the body is too large"))


def not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return nothing_here(request)


def nothing_here(request: HttpRequest) -> HttpResponse:
    """Answer 404 for unknown paths under /api/."""
    return problem(404, "not_found", _("there is nothing here"))


@async_only_middleware
def methods(get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]]) -> Callable[..., Awaitable[HttpResponseBase]]:
    """Answer HEAD as GET, and an unsupported method with a problem.

    ninja has no handler for either.
    """

    async def middleware(request: HttpRequest) -> HttpResponseBase:
        if not request.path.startswith("/api/"):
            return await get_response(request)
        if request.method == "HEAD":
            request.method = "GET"
        response = await get_response(request)
        if not isinstance(response, HttpResponseNotAllowed):
            return response
        allowed = response.headers["Allow"].replace("GET", "GET, HEAD")
        return problem(405, "method_not_allowed", f"this address takes {allowed}", headers={"Allow": allowed})

    return middleware


def failed(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.error("an API call failed", path=request.path, exc_info=error)
    return problem(500, "internal", _("internal error"))


def _fields(errors: dict[str, list[str]]) -> HttpResponse:
    return problem(400, "invalid", "; ".join(f"{name}: {found[0]}" for name, found in errors.items()), errors)


HANDLERS: dict[type[Exception], Any] = {
    FrameRefused: refused,
    RequestInvalid: invalid,
    ValidationError: field_errors,
    AuthenticationError: unauthenticated,
    SignUpClosed: signup_closed,
    SlugTaken: taken,
    OwnershipConflict: ownership,
    Throttled: throttled,
    DatabaseUnavailable: unavailable,
    Busy: busy,
    HttpError: http_error,
    RequestDataTooBig: too_large,
    Http404: not_found,
    Exception: failed,
}


def install(api: NinjaAPI) -> None:
    """Register a handler for each exception of the API."""
    for error, handler in HANDLERS.items():
        api.add_exception_handler(error, handler)
