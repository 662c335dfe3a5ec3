"""SQLite: a copy of one moment by its backup API, while people write on.

A bare copy of the file would mix several moments.
"""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from db import installation
from ops.backup.archive import MANIFEST, PIECE, Damaged, Manifest, Members, Other, Writer, pieces, read_json

# Pages a step: writers get their turn between two steps.
PAGES, PAUSE_S, WAIT_S = 1_000, 0.01, 30


def write_file(writer: Writer, database: Path) -> None:
    with _beside(database) as copy:
        with closing(sqlite3.connect(database, timeout=WAIT_S)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target, pages=PAGES, sleep=PAUSE_S)
            # Of the copy: it has no write-ahead log beside it that would be left out.
            target.execute("PRAGMA journal_mode = DELETE")
        writer.manifest.tables = counts(copy)
        with copy.open("rb") as file:
            writer.manifest.database = writer.add_pieces("database", iter(lambda: file.read(PIECE), b""))


def read_file(found: Members, take_other: Other, database: Path) -> Manifest:
    """Put the database, with another epoch, in place of an empty one.

    Raises Damaged; then it was not changed.

    `take_other` gets each member that is no part of the database.
    """
    database.parent.mkdir(parents=True, exist_ok=True)
    with _beside(database) as copy:
        manifest, digest = _extract(found, take_other, copy)
        if digest != manifest.database:
            raise Damaged("database differs from its backup")
        if counts(copy) != manifest.tables:
            raise Damaged("the tables came back with other rows than were backed up")
        _replace_epoch(copy)
        for left in ("-wal", "-shm"):
            database.with_name(database.name + left).unlink(missing_ok=True)
        copy.replace(database)
        copy.touch()  # for the context that removes it
    return manifest


def _replace_epoch(database: Path) -> None:
    """Give clients a reason to start anew, before the database is in its place.

    A release before the epoch has no column of it: the migration that adds it makes one.
    """
    with closing(sqlite3.connect(database)) as connection, connection:
        columns = {name for _, name, *_ in connection.execute("PRAGMA table_info(ops_installation)")}
        if "epoch" in columns:
            connection.execute("UPDATE ops_installation SET epoch = ?", [installation.new_epoch()])


def _extract(found: Members, take_other: Other, target: Path) -> tuple[Manifest, str]:
    digest = hashlib.sha256()
    with target.open("wb") as file:
        for name, content in found:
            if name == MANIFEST:
                return Manifest(**read_json(content)), digest.hexdigest()
            if name.startswith("database/"):
                for data in pieces(content):
                    digest.update(data)
                    file.write(data)
            else:
                take_other(name, content)
    raise Damaged("it was cut short")


def counts(database: Path) -> dict[str, dict[str, int]]:
    """Return the rows of each table.

    Raises Damaged for a file that SQLite finds broken.
    """
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            (state,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if state != "ok":
                raise Damaged(f"the database is damaged: {state}")
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")]
            return {name: {"rows": connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]} for name in tables}  # noqa: S608
    except sqlite3.DatabaseError as error:
        raise Damaged(f"the database is damaged: {error}") from error


@contextmanager
def _beside(database: Path) -> Iterator[Path]:
    """Give a file on the database's own disk, and remove it."""
    with tempfile.NamedTemporaryFile(dir=database.parent, prefix="backup-", suffix=".sqlite3", delete=False) as file:
        path = Path(file.name)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
