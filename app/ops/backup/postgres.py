"""Postgres: every row of one moment, in COPY's text format.

Rows and not pg_dump's output, because no image of ours has pg_dump in the right version, a managed database is reached in
the same way, and the checksums of a restored table and of the original can be compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from django.db import connection, transaction
from psycopg import sql

from db import installation
from ops.backup.archive import MANIFEST, Damaged, Manifest, Members, Other, Writer, pieces, read_json

# The text of a value must not depend on settings of the server.
SETTINGS = """
SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'postgres';
SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'; SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0;
"""
# Tables, their columns, and what to order rows by: the primary key, in the same order on every server.
TABLES = """
SELECT c.relname,
    array(SELECT attname FROM pg_attribute
          WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum),
    array(SELECT quote_ident(attname) || CASE WHEN attcollation = 0 THEN '' ELSE ' COLLATE "C"' END
          FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
          WHERE i.indrelid = c.oid AND i.indisprimary ORDER BY array_position(i.indkey::int2[], a.attnum))
FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND c.relname <> 'django_migrations' ORDER BY 1
"""
SEQUENCES = "SELECT relname FROM pg_class WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace ORDER BY 1"
# In a release before the epoch there is no such column: the migration that adds it makes one.
HAS_EPOCH = """
SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass('public.ops_installation') AND attname = 'epoch' AND NOT attisdropped
"""
ROUTINES = """
SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype = 'e')
"""


def write_rows(writer: Writer) -> None:
    """Add all rows of one moment while people write on."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute(SETTINGS)
        cursor.execute(TABLES)
        for table, columns, key in cursor.fetchall():
            writer.add_json(f"tables/{table}/columns", columns)
            read = _Read(cursor, _copy_out(table, columns, key))
            digest = writer.add_pieces(f"tables/{table}", read)
            writer.manifest.tables[table] = {"rows": read.rows, "sha256": digest}
        # Behind the rows: sequences know no snapshot, and must never be below a row.
        writer.manifest.sequences = _sequences(cursor)


class _Read:
    """The bytes of a COPY … TO STDOUT; afterwards `rows`."""

    def __init__(self, cursor: Any, statement: sql.Composed) -> None:
        self._cursor, self._statement, self.rows = cursor, statement, 0

    def __iter__(self) -> Iterator[memoryview]:
        # Django's cursor would add parameters, which COPY has none of.
        real = self._cursor.connection.cursor()
        with real.copy(self._statement) as copy:
            yield from copy
        self.rows = real.rowcount


def _copy_out(table: str, columns: list[str], key: list[str]) -> sql.Composed:
    order = sql.SQL(", ").join(map(sql.SQL, key)) if key else _names(columns)
    return sql.SQL("COPY (SELECT {} FROM public.{} ORDER BY {}) TO STDOUT").format(_names(columns), sql.Identifier(table), order)


def _names(columns: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _sequences(cursor: Any) -> dict[str, int]:
    cursor.execute(SEQUENCES)
    found: dict[str, int] = {}
    for (name,) in cursor.fetchall():
        cursor.execute(
            sql.SQL("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM public.{}").format(sql.Identifier(name))
        )
        (found[name],) = cursor.fetchone()
    return found


def drop_everything() -> None:
    """Drop the tables and routines of a database without users' data.

    The release of the backup then makes its own.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
        for (table,) in cursor.fetchall():
            cursor.execute(sql.SQL("DROP TABLE public.{} CASCADE").format(sql.Identifier(table)))
        cursor.execute(ROUTINES)
        for (signature,) in cursor.fetchall():
            cursor.execute(sql.SQL("DROP ROUTINE {} CASCADE").format(sql.SQL(signature)))


def read_rows(found: Members, take_other: Other) -> Manifest:
    """Load all rows and compare each table with the original, in one transaction.

    The rows get a new epoch. Raises Damaged; then nothing was loaded.

    `take_other` gets each member that is no row.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(SETTINGS)
        cursor.execute("SET LOCAL lock_timeout = 0")
        cursor.execute(TABLES)
        there = {table: (columns, key) for table, columns, key in cursor.fetchall()}
        _empty(cursor, list(there))
        manifest, columns = _load(cursor, found, take_other)
        if manifest.tables.keys() != there.keys():
            raise Damaged(f"its tables are not those of its release: {', '.join(sorted(manifest.tables.keys() ^ there.keys()))}")
        for table, (_, key) in there.items():
            _compare(cursor, table, columns[table], key, manifest)
        for name, value in manifest.sequences.items():
            cursor.execute("SELECT setval(%s, %s, %s)", [f"public.{name}", max(1, value), value > 0])
        # With the rows: a restore that fails later must not leave them under the epoch that clients know.
        cursor.execute(HAS_EPOCH)
        if cursor.fetchone():
            cursor.execute("UPDATE ops_installation SET epoch = %s", [installation.new_epoch()])
        # A table with checks to come cannot be altered.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        _triggers(cursor, list(there), "ENABLE")
    return manifest


def _empty(cursor: Any, tables: list[str]) -> None:
    """Remove the rows that migrations added, and disable the triggers.

    The triggers would note the rows that are loaded.
    """
    cursor.execute(sql.SQL("TRUNCATE {}").format(_names(tables)))
    _triggers(cursor, tables, "DISABLE")
    cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def _triggers(cursor: Any, tables: list[str], what: str) -> None:
    for table in tables:
        cursor.execute(sql.SQL("ALTER TABLE public.{} {} TRIGGER USER").format(sql.Identifier(table), sql.SQL(what)))


def _load(cursor: Any, found: Members, take_other: Other) -> tuple[Manifest, dict[str, list[str]]]:
    """Copy the rows in.

    A table's pieces are one COPY: a row may lie across two of them.
    """
    columns: dict[str, list[str]] = {}
    copying, copy = ExitStack(), None
    with copying:
        for name, content in found:
            kind, _, rest = name.partition("/")
            if name == MANIFEST:
                copying.close()
                return Manifest(**read_json(content)), columns
            table, _, piece = rest.rpartition("/")
            if kind == "tables" and piece == "columns":
                copying.close()
                columns[table] = read_json(content)
                copy = copying.enter_context(cursor.connection.cursor().copy(_copy_in(table, columns[table])))
            elif kind == "tables" and copy is not None:
                for data in pieces(content):
                    copy.write(data)
            else:
                copying.close()
                take_other(name, content)
    raise Damaged("it was cut short")


def _copy_in(table: str, columns: list[str]) -> sql.Composed:
    return sql.SQL("COPY public.{} ({}) FROM STDIN").format(sql.Identifier(table), _names(columns))


def _compare(cursor: Any, table: str, columns: list[str], key: list[str], manifest: Manifest) -> None:
    digest, read = hashlib.sha256(), _Read(cursor, _copy_out(table, columns, key))
    for data in read:
        digest.update(data)
    if (read.rows, digest.hexdigest()) != (manifest.tables[table]["rows"], manifest.tables[table]["sha256"]):
        raise Damaged(f"{table} came back otherwise than it was backed up: {read.rows} rows of {manifest.tables[table]['rows']}")
