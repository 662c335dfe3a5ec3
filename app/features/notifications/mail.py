"""Whether and how this installation sends e-mail."""

from __future__ import annotations

from django.conf import settings


def is_on() -> bool:
    """Say whether an operator has set a mail server."""
    return bool(settings.EMAIL_URL)
