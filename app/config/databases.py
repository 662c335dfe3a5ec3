"""DATABASE_URL → Django's DATABASES, with the options each engine needs under an event loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

CONNECT_TIMEOUT_S = 5
RECONNECT_S = 2
"""After that the pool gives an attempt up, and the next caller starts a new one. The pool's own default doubles its delays
for five minutes: a database that is back would wait for the end of the last."""
STATEMENT_TIMEOUT_MS = 10_000
LOCK_TIMEOUT_MS = 4_000
LOG_CONNECTIONS = 2
"""Of a process's connections, those of the log's writer."""
LOOKUP_CONNECTIONS = 1
"""Of a process's connections, those on which the event loop looks up who opens a socket."""
LOOP_CONNECTIONS = LOG_CONNECTIONS + LOOKUP_CONNECTIONS
"""What is left of them is the ORM's."""


def database_from_url(url: str | None, *, data_dir: Path, pool_size: int) -> dict[str, Any]:
    """One entry of DATABASES. Raises ImproperlyConfigured for a scheme other than postgres(ql) or sqlite."""
    if url is None:
        return _sqlite(data_dir / "hubbub.sqlite3")
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return _sqlite(Path("/" + unquote(parts.path).lstrip("/")))
    if parts.scheme in {"postgres", "postgresql"}:
        return _postgres(parts, pool_size)
    raise ImproperlyConfigured(f"DATABASE_URL starts with {parts.scheme!r}: use postgres:// or sqlite:///")


def _sqlite(path: Path) -> dict[str, Any]:
    if path.as_posix() in {".", "/"}:
        raise ImproperlyConfigured("DATABASE_URL names no file: use sqlite:////absolute/path.sqlite3")
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        # Connections live as long as their thread: reopening the file costs more than the query.
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "timeout": CONNECT_TIMEOUT_S,
            # Taking the write lock at BEGIN turns "database is locked" in mid-transaction into a wait.
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY;",
        },
        "TEST": {"NAME": path.with_name("test_" + path.name)},
    }


def _postgres(parts: Any, pool_size: int) -> dict[str, Any]:
    if not parts.hostname or not parts.path.strip("/"):
        raise ImproperlyConfigured("DATABASE_URL needs a host and a database: postgres://user:password@host:5432/name")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname,
        "PORT": str(parts.port or 5432),
        # Under ASGI a thread is no home for a connection; the pool is.
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            **dict(parse_qsl(parts.query)),
            "connect_timeout": CONNECT_TIMEOUT_S,
            # A connection whose network was cut is given up before its next retransmission would be later still.
            "tcp_user_timeout": 1000 * CONNECT_TIMEOUT_S,
            "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c lock_timeout={LOCK_TIMEOUT_MS}",
            "pool": {
                "min_size": 1,
                "max_size": pool_size - LOOP_CONNECTIONS,
                "timeout": CONNECT_TIMEOUT_S,
                "reconnect_timeout": RECONNECT_S,
            },
        },
    }
