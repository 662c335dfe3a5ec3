"""The content security policy of one page."""

from __future__ import annotations

from csp.constants import NONCE, SELF
from django.http import HttpResponse


def allow_nonce(response: HttpResponse, *directives: str) -> HttpResponse:
    """Allow inline scripts or styles that carry `nonce="{{ request.csp_nonce }}"`."""
    # csp.decorators wrap no async view.
    setattr(response, "_csp_update", {directive: [SELF, NONCE] for directive in directives})  # noqa: B010
    return response
