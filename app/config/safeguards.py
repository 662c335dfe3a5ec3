"""Refuse settings that are safe only on one's own machine."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

SHORTEST_KEY = 32
FEWEST_CHARACTERS = 10
# Prefixes of keys in examples, templates and the image's build.
KNOWN_KEYS = ("django-insecure-", "changeme", "change-me", "change_me", "secret", "your-", "example", "collectstatic-only")


def check_secret_key(key: str, name: str = "SECRET_KEY") -> None:
    """Refuse a guessable key: it would let anyone sign sessions.

    Raises ImproperlyConfigured.
    """
    if len(key) < SHORTEST_KEY:
        problem = f"has {len(key)} characters"
    elif len(set(key)) < FEWEST_CHARACTERS:
        problem = "repeats a few characters"
    elif key.lower().startswith(KNOWN_KEYS):
        problem = "is a known example"
    else:
        return
    raise ImproperlyConfigured(
        f"{name} {problem}, and anybody who guesses it can sign in as everybody: use 50 random characters"
        ' (python3 -c "import secrets; print(secrets.token_urlsafe(50))"); people then sign in again.'
        " Only DEPLOYMENT=development takes any key"
    )


def check_debug(*, public_url_is_local: bool, listens_locally: bool) -> None:
    """Refuse Django's debug pages on a public address: they show settings and source.

    Raises ImproperlyConfigured.
    """
    for name, is_local in (("PUBLIC_URL", public_url_is_local), ("HOST", listens_locally)):
        if not is_local:
            raise ImproperlyConfigured(
                f"DEBUG is on and {name} is not this machine, so that others would see settings and source in error pages:"
                " use DEBUG=0, or 127.0.0.1"
            )
