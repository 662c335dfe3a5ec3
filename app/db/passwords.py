"""Connect to Postgres by one of two passwords, while one replaces the other.

Between ALTER ROLE and the replacement of the last server, a server that knows one password alone could open no connection:
no larger pool, no new worker. So all know both before that (scripts/rotate-secret).
"""

from __future__ import annotations

from typing import Any, Self

import psycopg


class Passwords:
    """Two passwords of a role; the last accepted one is tried first."""

    def __init__(self, usual: str, fallback: str) -> None:
        self._usual, self._fallback = usual, fallback
        self._first = usual

    def in_turn(self) -> tuple[str, str]:
        first = self._first
        return first, self._fallback if first == self._usual else self._usual

    def was_good(self, password: str) -> None:
        self._first = password

    def connection_class(self) -> type[psycopg.Connection[Any]]:
        """Return the class for a pool of threads."""
        passwords = self

        class Connection(psycopg.Connection[Any]):
            @classmethod
            def connect(cls, conninfo: str = "", **kwargs: Any) -> Self:
                first, second = passwords.in_turn()
                try:
                    return super().connect(conninfo, **kwargs | {"password": first})
                except psycopg.OperationalError as error:
                    if not may_be_the_password(error):
                        raise
                made = super().connect(conninfo, **kwargs | {"password": second})
                passwords.was_good(second)
                return made

        return Connection

    def async_connection_class(self) -> type[psycopg.AsyncConnection[Any]]:
        """Return the class for a pool of the event loop."""
        passwords = self

        class AsyncConnection(psycopg.AsyncConnection[Any]):
            @classmethod
            async def connect(cls, conninfo: str = "", **kwargs: Any) -> Self:
                first, second = passwords.in_turn()
                try:
                    return await super().connect(conninfo, **kwargs | {"password": first})
                except psycopg.OperationalError as error:
                    if not may_be_the_password(error):
                        raise
                made = await super().connect(conninfo, **kwargs | {"password": second})
                passwords.was_good(second)
                return made

        return AsyncConnection


def may_be_the_password(error: psycopg.OperationalError) -> bool:
    """Return whether another password is worth a try.

    libpq gives no SQLSTATE before a session. Of several hosts another one than the last may have refused the password, so only
    silence is excluded: it would double the wait.
    """
    return not isinstance(error, psycopg.errors.ConnectionTimeout)
