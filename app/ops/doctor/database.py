"""The database: version, migrations, roles, durability."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from ops.doctor.findings import Finding, Options, failure, first_line, ok, warning

OLDEST_POSTGRES, OLDEST_SQLITE = 150_000, (3, 35, 0)
LATE_TASK_S = 900.0


def check_database(_: Options) -> Iterator[Finding]:
    try:
        connection.ensure_connection()
    except Error as error:
        yield failure("database", f"it does not answer: {first_line(error)}", "DATABASE_URL, or docs/runbooks/postgres-lost.md")
        return
    found = [*(_sqlite() if settings.EMBEDDED else _postgres())]
    yield from found or [ok("database", f"{connection.vendor} {version()}")]
    migrations = [*_migrations()]
    yield from migrations or [ok("migrations", "all are applied")]
    if not migrations:
        yield from [*_tasks()] or [ok("tasks", "none is late")]


def version() -> str:
    if settings.EMBEDDED:
        return sqlite3.sqlite_version
    return str(_value("SHOW server_version"))


def _postgres() -> Iterator[Finding]:
    if int(_value("SHOW server_version_num")) < OLDEST_POSTGRES:
        yield failure("database", f"Postgres {version()} is too old", "PostgreSQL 15 or newer: docs/runbooks/postgres-upgrade.md")
    if _value("SHOW server_encoding") != "UTF8":
        yield failure(
            "database", f"its encoding is {_value('SHOW server_encoding')}", "make the database anew with ENCODING 'UTF8'"
        )
    if _value("SELECT pg_is_in_recovery()"):
        yield failure("database", "it is a standby and takes no writes", "DATABASE_URL must lead to the primary")
    for name in ("fsync", "full_page_writes"):
        if _value(f"SHOW {name}") != "on":
            yield failure("database", f"{name} is off: acknowledged messages can be lost", f"{name} = on in Postgres")
    if _value("SHOW synchronous_commit") == "off":
        yield failure(
            "database", "synchronous_commit is off: acknowledged messages can be lost", "ALTER ROLE … SET synchronous_commit = on"
        )
    yield from _role()


def _role() -> Iterator[Finding]:
    name, is_super = _row("SELECT rolname, rolsuper FROM pg_roles WHERE rolname = current_user")
    if is_super:
        yield failure("database", f"the app's role {name} is a superuser", "scripts/postgres-role")
    elif settings.MIGRATE_DATABASE and _value("SELECT has_schema_privilege('public', 'CREATE')"):
        yield warning(
            "database", f"the app's role {name} may make tables, although another one migrates", "scripts/postgres-role"
        )
    missing = [table for (table,) in _rows(MISSING_RIGHTS)]
    if missing:
        yield failure(
            "database",
            f"the app's role {name} may not read and write {', '.join(missing[:3])}{' …' if len(missing) > 3 else ''}",
            "scripts/postgres-role, or the GRANTs of docker/postgres-role.sh",
        )


MISSING_RIGHTS = """
SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
AND NOT (has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT')
     AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE')) ORDER BY 1
"""


def _sqlite() -> Iterator[Finding]:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        yield failure("database", f"SQLite {sqlite3.sqlite_version} is too old", "a Python with SQLite 3.35 or newer")
    if _value("PRAGMA journal_mode") != "wal":
        yield failure("database", "SQLite cannot use its write-ahead log: is it on a network disk?", "DATA_DIR on a local disk")
    damage = _value("PRAGMA quick_check(1)")
    if damage != "ok":
        # The line above the first fault names the database.
        fault = first_line(str(damage).removeprefix("*** in database main ***\n"))
        yield failure("database", f"the file is damaged: {fault}", "make restore FROM=…: docs/runbooks/restore.md")


def _migrations() -> Iterator[Finding]:
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if waiting:
        names = ", ".join(f"{one.app_label}.{one.name}" for one, _ in waiting[:3])
        yield failure(
            "migrations",
            f"{len(waiting)} are not applied: {names}{' …' if len(waiting) > 3 else ''}",
            "make up, or python app/manage.py migrate",
        )
    unknown = sorted(set(executor.loader.applied_migrations) - set(executor.loader.disk_migrations) - _replaced(executor))
    ours = {app.label for app in apps.get_app_configs()}
    unknown = [key for key in unknown if key[0] in ours]
    if unknown:
        label, name = unknown[0]
        yield warning(
            "migrations",
            f"the database is of a newer release ({label}.{name}): this release runs on the schema of the next one, no further",
            "docs/runbooks/roll-back.md",
        )


def _replaced(executor: MigrationExecutor) -> set[Any]:
    return {key for migration in executor.loader.replacements.values() for key in migration.replaces}


def _tasks() -> Iterator[Finding]:
    """Tell of a task that should have begun long ago: no background worker runs."""
    oldest = DBTaskResult.objects.filter(status="READY").order_by("enqueued_at").values_list("enqueued_at", flat=True).first()
    late = (timezone.now() - oldest).total_seconds() if oldest else 0.0
    if late > LATE_TASK_S:
        yield failure(
            "tasks",
            f"a background task has waited for {late / 60:.0f} min: no worker runs",
            "scripts/compose up -d worker, or python app/manage.py worker",
        )


def _rows(statement: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def _row(statement: str) -> Any:
    return _rows(statement)[0]


def _value(statement: str) -> Any:
    return _row(statement)[0]
