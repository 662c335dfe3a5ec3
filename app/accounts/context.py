from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def sign_up(request: HttpRequest) -> dict[str, bool]:
    """Lets templates show or hide the way to sign-up."""
    return {"signup_open": settings.SIGNUP_OPEN}
