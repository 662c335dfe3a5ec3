"""`manage.py migrate`: apply migrations, in one process at a time.

It uses the role of MIGRATE_DATABASE_URL, and waits for a database that is starting.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

# Number of the advisory lock; it would serialize two installations in one database as well.
LOCK = 0x48756262
ONE_AT_A_TIME_S = 3600.0
ASK_EVERY_S = 1.0
SAY_EVERY_S = 10.0


class Command(migrate.Command):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--wait", type=int, default=0, metavar="SECONDS", help="how long to wait for a database that does not answer yet"
        )

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Wait before the system checks, which may query the database."""
        connection = connections[options["database"]]
        if settings.MIGRATE_DATABASE:
            connection.close()
            connection.settings_dict.update(settings.MIGRATE_DATABASE)
        self.wait(connection, options["wait"])
        with self.one_at_a_time(connection):
            return super().execute(*args, **options)

    def wait(self, connection: BaseDatabaseWrapper, seconds: float) -> None:
        """Wait until the database answers.

        Raises CommandError after `seconds`.

        With 0, migrate itself reports the error.
        """
        deadline, said = time.monotonic() + seconds, -SAY_EVERY_S
        while seconds:
            try:
                connection.ensure_connection()
            except DatabaseError as error:
                now = time.monotonic()
                if now > deadline:
                    raise CommandError(f"the database did not answer within {seconds} s: {error}") from error
                if now - said > SAY_EVERY_S:
                    said = now
                    self.stderr.write(f"Waiting for the database: {error}")
                time.sleep(ASK_EVERY_S)
            else:
                return

    @contextmanager
    def one_at_a_time(self, connection: BaseDatabaseWrapper) -> Iterator[None]:
        """Serialize two pods of one release that start together.

        SQLite locks its file itself.
        """
        if connection.vendor != "postgresql":
            yield
            return
        deadline = time.monotonic() + ONE_AT_A_TIME_S
        while not self._lock(connection, "pg_try_advisory_lock"):
            if time.monotonic() > deadline:
                raise CommandError(f"another migration has run for {ONE_AT_A_TIME_S:.0f} s")
            time.sleep(ASK_EVERY_S)
        try:
            yield
        finally:
            self._lock(connection, "pg_advisory_unlock")

    @staticmethod
    def _lock(connection: BaseDatabaseWrapper, function: str) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {function}(%s)", [LOCK])
            (done,) = cursor.fetchone()
        return bool(done)
