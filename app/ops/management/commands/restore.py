"""`manage.py restore`: restore a backup into a database without users' data.

Exit codes: 0 done (--check, --check-file: it can be done); 1 refused or not done, and the message says why.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from psycopg.errors import UndefinedTable

from db import installation
from ops.backup import archive, postgres, sqlite
from ops.backup.files import write_member
from ops.doctor.findings import first_line
from server import pidfiles

# Who has rows here uses this installation.
DATA = ("accounts.User", "chat.Event")


class Command(BaseCommand):
    help = "Brings a backup of `manage.py backup` back, into a database without data only."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", help="the file to read; - is standard input")
        only = parser.add_mutually_exclusive_group()
        only.add_argument("--check-file", action="store_true", help="read all of it, ask no database, change nothing")
        only.add_argument("--check", action="store_true", help="read all of it, look at the database, change nothing")

    def handle(self, *_: Any, source: str, check: bool, check_file: bool, **__: Any) -> None:
        if settings.MIGRATE_DATABASE:
            # Before the first query: a pool keeps the role it began with.
            connection.settings_dict.update(settings.MIGRATE_DATABASE)
        try:
            if check or check_file or source != "-":
                with _open(source) as stream:
                    self.check_archive(stream)
            if check:
                self.refuse_live_database()
            elif not check_file:
                with _open(source) as stream:
                    self.restore(stream)
        except archive.Damaged as error:
            raise CommandError(f"{source}: {error}") from error
        except OSError as error:
            raise CommandError(f"{source} cannot be read: {error.strerror}") from error

    def check_archive(self, stream: IO[bytes]) -> None:
        header, manifest = archive.verify(stream)
        self.refuse_what_does_not_fit(header)
        self.stderr.write(f"A backup of {header['made']}: {manifest.summary()}; sound, and fits here.")

    def refuse_what_does_not_fit(self, header: dict[str, Any]) -> None:
        if header["engine"] != connection.vendor:
            raise CommandError(f"the backup is of {header['engine']}, and DATABASE_URL names {connection.vendor}")
        known = MigrationExecutor(None).loader.disk_migrations
        ours = {app.label for app in apps.get_app_configs()}
        newer = [f"{label}.{name}" for label, name in header["migrations"] if label in ours and (label, name) not in known]
        if newer:
            raise CommandError(f"the backup is of a newer release, which has {newer[0]}: restore it with that release")

    def refuse_live_database(self) -> None:
        if settings.EMBEDDED and pidfiles.current().master() is not None:
            raise CommandError("the server runs: stop it first")
        for label in DATA:
            if _has_rows(label):
                raise CommandError(
                    f"this database is in use, it holds rows of {label}: a restore goes to a fresh one (docs/runbooks/restore.md)"
                )

    def restore(self, stream: IO[bytes]) -> None:
        found = archive.members(stream)
        header = archive.read_header(found)
        self.refuse_what_does_not_fit(header)
        self.refuse_live_database()
        if settings.EMBEDDED:
            connection.close()
            manifest = sqlite.read_file(found, write_member, Path(settings.DATABASES["default"]["NAME"]))
        else:
            self.make_schema(header)
            manifest = postgres.read_rows(found, write_member)
            connection.close()
        # What the backup's release did not have yet, and the triggers. The rows have a new epoch from their commit on.
        try:
            call_command("migrate", interactive=False, verbosity=0)
        except (CommandError, DatabaseError) as error:
            raise CommandError(
                f"the rows are back, and not yet brought to this release: {first_line(error)}; mend that, then manage.py migrate"
                " (make up) goes on: restore no second time"
            ) from error
        # The restored row knows the backup before. This one was just read and compared.
        installation.note_backup(datetime.fromisoformat(header["made"]))
        self.stderr.write(f"Restored: {manifest.summary()}, each compared with the original.")

    def make_schema(self, header: dict[str, Any]) -> None:
        """Make the tables as the backup's release had them."""
        self.stderr.write("Making the tables.")
        postgres.drop_everything()
        executor = MigrationExecutor(connection)
        graph, applied = executor.loader.graph, {(label, name) for label, name in header["migrations"]}
        # The last ones of each app: told of an earlier one as well, Django would go back to that.
        last = [
            key
            for key in applied & graph.nodes.keys()
            if not any(child.key[0] == key[0] and child.key in applied for child in graph.node_map[key].children)
        ]
        executor.migrate(last)


def _open(source: str) -> Any:
    return nullcontext(sys.stdin.buffer) if source == "-" else Path(source).open("rb")


def _has_rows(label: str) -> bool:
    try:
        return apps.get_model(label).objects.exists()
    except DatabaseError as error:
        # Any other error tells nothing of the rows, and a restore begins with dropping the tables.
        if isinstance(error.__cause__, UndefinedTable) or (connection.vendor == "sqlite" and "no such table" in str(error)):
            return False
        raise CommandError(f"the rows of {label} could not be looked at: {first_line(error)}; nothing was changed") from error
