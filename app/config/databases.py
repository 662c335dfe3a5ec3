"""DATABASE_URL and MIGRATE_DATABASE_URL → Django's DATABASES.

Each engine gets the options that it needs under an event loop.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from core.addresses import Address, parse_address, port_of, refuse
from db.connections import LOOP_CONNECTIONS, RECONNECT_S

POSTGRES_FORM = "postgres://user:password@host:5432/name"
SOCKET_FORM = "postgres://user:password@/name?host=/run/postgresql"
SQLITE_FORM = "sqlite:////absolute/path.sqlite3, or sqlite:///name.sqlite3 for a file in DATA_DIR"

CONNECT_TIMEOUT_S = 5
REPLICA_TIMEOUT_S = 2
STATEMENT_TIMEOUT_MS = 10_000
LOCK_TIMEOUT_MS = 4_000

# libpq's parameters allowed after the ?; None: any value.
PARAMETERS: dict[str, frozenset[str] | None] = {
    "host": None,
    "port": None,
    "sslmode": frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}),
    "sslrootcert": None,
    "sslcert": None,
    "sslkey": None,
    "channel_binding": frozenset({"disable", "prefer", "require"}),
    "gssencmode": frozenset({"disable", "prefer", "require"}),
    "target_session_attrs": frozenset({"any", "read-write", "read-only", "primary", "standby", "prefer-standby"}),
    "application_name": None,
    "options": None,
}
FILES = ("sslrootcert", "sslcert", "sslkey")


def database_from_url(
    url: str | None, *, data_dir: Path, pool_size: int, name: str = "DATABASE_URL", fallback: str | None = None
) -> dict[str, Any]:
    """Make one entry of DATABASES from the setting `name`.

    `fallback`: another password of its user, tried where the server refuses the first (DATABASE_PASSWORD_FALLBACK).

    Raises ImproperlyConfigured for a form that docs/deploy.md does not list.
    """
    if url is None:
        return _sqlite(data_dir / "hubbub.sqlite3")
    scheme = url.partition("://")[0].lower()
    if scheme == "sqlite":
        return _sqlite(_sqlite_file(name, url, data_dir))
    address = parse_address(name, url, POSTGRES_FORM)
    if address.scheme not in {"postgres", "postgresql"}:
        refuse(name, f"starts with {address.scheme!r}", "postgres:// or sqlite:///")
    return _postgres(name, address, pool_size, fallback)


def replica_from_url(
    url: str | None, *, primary: dict[str, Any], data_dir: Path, pool_size: int, fallback: str | None = None
) -> dict[str, Any]:
    """Make the entry of a standby from REPLICA_URL.

    Raises ImproperlyConfigured if it is none of the primary's database.
    """
    found = database_from_url(url, data_dir=data_dir, pool_size=pool_size, name="REPLICA_URL", fallback=fallback)
    if any(found[part] != primary[part] for part in ("ENGINE", "NAME")) or found["ENGINE"].endswith("sqlite3"):
        refuse("REPLICA_URL", "names another database than DATABASE_URL", "the same Postgres database on a standby")
    options = found["OPTIONS"]
    if options.get("target_session_attrs") == "read-write":
        options["target_session_attrs"] = "prefer-standby"
    # A silent replica must not keep the threads that the primary needs.
    options |= {"connect_timeout": REPLICA_TIMEOUT_S, "tcp_user_timeout": 1000 * REPLICA_TIMEOUT_S}
    options["pool"]["timeout"] = REPLICA_TIMEOUT_S
    # A check would wait for a silent server before the watch of db/replica.py begins; a broken connection costs one read.
    return found | {"CONN_HEALTH_CHECKS": False, "TEST": {"MIRROR": "default"}}


def _sqlite_file(name: str, url: str, data_dir: Path) -> Path:
    """Return the file.

    `sqlite:////path` is absolute, `sqlite:///name` lies below `data_dir`.
    """
    path = unquote(url.partition("://")[2])
    if not path.startswith("/") or path.strip("/") in {"", ".", "..", ":memory:"} or path.endswith("/"):
        refuse(name, "names no file", SQLITE_FORM)
    if any(character in path for character in "?#\0"):
        refuse(name, "holds a ?, a # or a NUL", SQLITE_FORM)
    absolute, relative = Path("/" + path.lstrip("/")), data_dir / path.lstrip("/")
    if path.startswith("//"):
        return absolute
    if absolute.exists() and not relative.exists():
        # Earlier releases used three slashes for an absolute path: refuse it instead of creating an empty database.
        refuse(
            name, f"with three slashes is a file below {data_dir}, but {absolute} exists", f"sqlite:///{absolute} for that one"
        )
    return relative


def _sqlite(path: Path) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        # A connection lives as long as its thread: reopening the file costs more than the query.
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "timeout": CONNECT_TIMEOUT_S,
            # Taking the write lock at BEGIN makes a transaction wait instead of failing midway with "database is locked".
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY;",
        },
        "TEST": {"NAME": path.with_name("test_" + path.name)},
    }


def _postgres(name: str, address: Address, pool_size: int, fallback: str | None) -> dict[str, Any]:
    options = _parameters(name, address)
    host, port = _hosts(name, address, options)
    if not address.path or "/" in address.path:
        refuse(name, "names no database behind its host", POSTGRES_FORM)
    if "," in host:
        # Only one of several servers accepts writes; libpq alone would use the first that answers.
        options.setdefault("target_session_attrs", "read-write")
    passwords = None
    if fallback:
        from db.passwords import Passwords  # noqa: PLC0415  # it loads psycopg, which SQLite needs not

        passwords = Passwords(address.password, fallback)
    limits = f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c lock_timeout={LOCK_TIMEOUT_MS}"
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": address.path,
        "USER": address.user,
        "PASSWORD": address.password,
        # Ours, for db/pool.py; None also where these settings take the place of others.
        "PASSWORDS": passwords,
        "HOST": host,
        "PORT": port,
        # Under ASGI the pool keeps connections, not the thread.
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            **options,
            "connect_timeout": CONNECT_TIMEOUT_S,
            # Gives up a connection whose network was cut, before the next retransmission.
            "tcp_user_timeout": 1000 * CONNECT_TIMEOUT_S,
            "options": f"{options.get('options', '')} {limits}".strip(),
            "pool": {
                "min_size": 1,
                "max_size": pool_size - LOOP_CONNECTIONS,
                "timeout": CONNECT_TIMEOUT_S,
                "reconnect_timeout": RECONNECT_S,
                **({"connection_class": passwords.connection_class()} if passwords else {}),
            },
        },
    }


def _parameters(setting: str, address: Address) -> dict[str, str]:
    """Parse the parameters after the ?.

    Names and values must be known, files readable.
    """
    for name, value in address.query.items():
        if name not in PARAMETERS:
            refuse(setting, "has an unknown parameter behind its ?", f"any of {', '.join(PARAMETERS)}")
        choices = PARAMETERS[name]
        if choices is not None and value not in choices:
            refuse(setting, f"has an unknown value of {name}", f"one of {', '.join(sorted(choices))}")
        if name in FILES and not (name == "sslrootcert" and value == "system") and not os.access(value, os.R_OK):
            refuse(setting, f"names a file in {name} that this process cannot read", f"{name}=/path/of/a/readable/file")
    return dict(address.query)


def _hosts(name: str, address: Address, options: dict[str, str]) -> tuple[str, str]:
    """Return libpq's host and port, comma-separated; remove them from `options`."""
    directory, port = options.pop("host", ""), options.pop("port", "")
    if directory:
        if address.hosts or not directory.startswith("/"):
            refuse(
                name,
                "has a host behind its ? that is no directory of a socket, or a second host",
                f"{POSTGRES_FORM} or {SOCKET_FORM}",
            )
        return directory, str(port_of(name, port, SOCKET_FORM) if port else 5432)
    if not address.hosts or port:
        refuse(name, "names no host", f"{POSTGRES_FORM}, or for a socket {SOCKET_FORM}")
    return ",".join(host for host, _ in address.hosts), ",".join(str(number or 5432) for _, number in address.hosts)
