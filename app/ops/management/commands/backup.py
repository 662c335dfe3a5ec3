"""`manage.py backup`: write an archive of one moment while people chat.

It has the database, files and secrets.

Exit codes: 0 written and read again without a difference, or --record stored its time; 1 not; 2 wrong arguments.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import re
import shutil
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from db import installation
from ops.backup import archive, postgres, sqlite
from ops.doctor.findings import first_line

# A running backup writes all the time, so a killed backup left an unfinished file of yesterday.
PART_S = 86_400
# Of a backup, with its owner. scripts/lib/backups.sh reads names in the same way, and a test compares them.
NAME = re.compile(r"hubbub-[0-9]{8}T[0-9]{6}Z(?:-([0-9a-f]+(?:-[0-9a-f]+)*))?\.tar\.gz(?:\.age|\.gpg)?")
# By the disk, or by a quota.
NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


class Command(BaseCommand):
    help = "Writes a backup of the database, of uploaded files and of secrets, while people chat. `manage.py restore` reads it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("output", nargs="?", default="-", help="the file to write; - is standard output (default)")
        parser.add_argument("--into", type=Path, help="the directory to write a file with the time in its name to, for a timer")
        parser.add_argument("--keep", type=int, default=14, help="with --into: how many of the newest files stay (14)")
        parser.add_argument("--env", action="store_true", help="take along the .env that comes through standard input")
        parser.add_argument("--owner", action="store_true", help="print the id that names of backups have, write none")
        parser.add_argument("--verify", action="store_true", help="read a backup from standard input, print its time")
        parser.add_argument(
            "--record", type=zoned_time, metavar="TIME", help="store that a verified backup of this time is kept, write none"
        )

    def handle(self, *_: Any, output: str, into: Path | None, keep: int, env: bool, **options: Any) -> None:
        if options["verify"]:
            self.verify()
            return
        if options["record"] is not None:
            self.record(options["record"])
            return
        if keep < 1:
            raise CommandError(f"--keep must be at least 1, not {keep}")
        if into is not None and not into.is_dir():
            raise CommandError(f"--into: there is no directory {into}")
        self.refuse_database_without_migrations()
        owner = short_id() if into is not None or options["owner"] else ""
        if options["owner"]:
            self.stdout.write(owner)
            return
        env_file = sys.stdin.buffer.read(archive.MOST_WHOLE) if env else b""
        if into is not None:
            output = str(into / f"hubbub-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{owner}.tar.gz")
            # A lower --keep makes room for this one already.
            self.remove_old(into, keep, owner)
        if output == "-":
            summary = self.write(sys.stdout.buffer, env_file)
            sys.stdout.flush()
        else:
            summary, made = self.write_file(Path(output), env_file)
            self.record_if_possible(made)
        if into is not None:
            self.remove_old(into, keep, owner)
        self.stderr.write(f"Backed up: {summary}.")

    def refuse_database_without_migrations(self) -> None:
        """Refuse a database that no server uses: its backup would be sound, and empty."""
        name = str(settings.DATABASES["default"]["NAME"])
        # A connection would make the file of SQLite.
        if (settings.EMBEDDED and not Path(name).exists()) or not MigrationRecorder(connection).applied_migrations():
            raise CommandError(
                f"the database {name} has no applied migrations, so no server uses it: run this with the server's own settings"
                " (DATA_DIR and DATABASE_URL; docs/deploy.md, Without containers)"
            )

    def verify(self) -> None:
        try:
            header, manifest = archive.verify(sys.stdin.buffer)
        except archive.Damaged as error:
            raise CommandError(f"the backup could not be read again: {error}") from error
        self.stderr.write(f"Read again, all equal: {manifest.summary()}.")
        self.stdout.write(header["made"])

    def record(self, made: datetime) -> None:
        try:
            installation.note_backup(made)
        except DatabaseError as error:
            raise CommandError(f"the time of the backup could not be stored: {first_line(error)}") from error

    def record_if_possible(self, made: datetime) -> None:
        """Store the time; a sound backup stays one where that cannot be done."""
        try:
            self.record(made)
        except CommandError as error:
            self.stderr.write(f"The backup is sound, but {error}")

    def remove_old(self, directory: Path, keep: int, owner: str) -> None:
        """Remove all but the newest `keep` own backups, and abandoned unfinished files."""
        for part in directory.glob("hubbub-*.tar.gz.part"):
            # Another backup may be under way.
            with contextlib.suppress(FileNotFoundError):
                if time.time() - part.stat().st_mtime > PART_S:
                    part.unlink()
        for old in own_backups(directory, owner)[keep:]:
            old.unlink(missing_ok=True)
            self.stderr.write(f"Removed {old.name}: {keep} are kept.")

    def write_file(self, path: Path, env_file: bytes) -> tuple[str, datetime]:
        """Write and verify a file; return a summary and the backup's time."""
        part = path.with_name(path.name + ".part")
        try:
            part.touch(mode=0o600)
            with part.open("wb") as file:
                summary = self.write(file, env_file)
            with part.open("rb") as file:
                header, _ = archive.verify(file)
            part.replace(path)
        except archive.Damaged as error:
            raise CommandError(f"the backup could not be read again: {error}") from error
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            raise CommandError(no_room(path.parent)) from error
        finally:
            part.unlink(missing_ok=True)
        size, free = path.stat().st_size, shutil.disk_usage(path.parent).free
        summary += f", {size / 2**20:,.1f} MiB; {free / 2**20:,.0f} MiB are free in {path.parent}"
        return summary, datetime.fromisoformat(header["made"])

    def write(self, stream: IO[bytes], env_file: bytes) -> str:
        writer = archive.Writer(stream)
        try:
            self.fill(writer, env_file)
        except BaseException:
            writer.abandon()
            raise
        return writer.manifest.summary()

    def fill(self, writer: archive.Writer, env_file: bytes) -> None:
        applied = sorted(MigrationRecorder(connection).applied_migrations())
        header = {"format": archive.FORMAT, "engine": connection.vendor, "made": datetime.now(UTC).isoformat(timespec="seconds")}
        writer.add_json(archive.HEADER, {**header, "migrations": applied})
        if env_file:
            writer.add(archive.ENV, env_file)
        if settings.EMBEDDED:
            kept = settings.DATA_DIR / archive.SECRET_KEY
            if kept.exists():
                writer.add(archive.SECRET_KEY, kept.read_bytes())
            sqlite.write_file(writer, Path(settings.DATABASES["default"]["NAME"]))
        else:
            postgres.write_rows(writer)
        # Behind the rows: a file is there before the row that names it.
        writer.add_files(settings.MEDIA_ROOT)
        writer.finish()


def short_id() -> str:
    """Return the id of this installation as the names of its backups have it."""
    return hashlib.sha256(f"{installation.identity()}\n".encode()).hexdigest()[:8]


def backups_in(directory: Path) -> list[Path]:
    """Return the backups in a directory, newest first."""
    return sorted((path for path in directory.glob("hubbub-*") if NAME.fullmatch(path.name)), reverse=True)


def own_backups(directory: Path, owner: str) -> list[Path]:
    """Return the backups of `owner`, newest first.

    An owner is an installation, or one with its place. Names without an installation are of an earlier release: they are our own
    unless another installation writes here.
    """
    found = backups_in(directory)
    owners = {path: NAME.sub(r"\1", path.name) for path in found}
    own = [path for path in found if owners[path] == owner]
    nameless = [path for path in found if not owners[path]]
    others = len(own) + len(nameless) < len(found) or (own and nameless and nameless[0] > own[-1])
    return own if others else own + nameless


def no_room(directory: Path) -> str:
    """Return the fault of a full disk, and what to change."""
    sizes = [one.stat().st_size / 2**20 for one in backups_in(directory)]
    newest = f", the newest {sizes[0]:,.1f} MiB" if sizes else ""
    return (
        f"no room is left in {directory} for the backup; the {len(sizes)} of before hold {sum(sizes):,.1f} MiB{newest}."
        " The disk (on Kubernetes the claim `backups`) must hold one more than --keep: enlarge it, or lower --keep"
        " (docs/runbooks/backup-old.md). The kept ones stay"
    )


def zoned_time(text: str) -> datetime:
    """Parse a time with its zone; raises ArgumentTypeError."""
    with contextlib.suppress(ValueError):
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found
    raise ArgumentTypeError(f"must be a time with its zone, such as 2026-11-30T03:15:00Z, not {text!r}")
