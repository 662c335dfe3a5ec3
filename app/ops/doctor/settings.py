"""Settings that start, and still are a mistake."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings

from ops.doctor.findings import Finding, Options, failure, ok, warning


def check_settings(_: Options) -> Iterator[Finding]:
    found = [*_misspelt(), *_production(), *_redis()]
    yield from found or [ok("settings", f"{settings.PUBLIC_URL}, {settings.DEPLOYMENT}")]


def _misspelt() -> Iterator[Finding]:
    for name, close in settings.MISSPELT.items():
        yield failure("settings", f"{name} is not a setting of Hubbub and has no effect", f"rename {name} to {close}")


def _production() -> Iterator[Finding]:
    if settings.DEPLOYMENT != "production":
        return
    if urlsplit(settings.PUBLIC_URL).scheme != "https":
        yield warning(
            "settings",
            f"PUBLIC_URL is {settings.PUBLIC_URL}: passwords and messages travel in the open",
            "PUBLIC_URL=https://…, with TLS_CERTIFICATE and TLS_KEY or a proxy that ends TLS",
        )
    if settings.ALLOW_SEED:
        yield warning("settings", "ALLOW_SEED is on in production, where it has no effect", "remove ALLOW_SEED")
    if settings.EMBEDDED:
        yield warning(
            "settings",
            "SQLite serves a public address with one process: there is no second one to fail over to",
            "DATABASE_URL=postgres://…",
        )


def _redis() -> Iterator[Finding]:
    if not settings.EMBEDDED and not settings.REDIS_SHARDS:
        yield warning(
            "settings",
            "Postgres without Redis: one worker only, and a second container would not see its people",
            "REDIS_URL=redis://…",
        )
