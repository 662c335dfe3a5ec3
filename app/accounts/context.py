from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def sign_up(request: HttpRequest) -> dict[str, bool]:
    """Tell templates whether to show the link to sign-up."""
    return {"signup_open": settings.SIGNUP_OPEN}
