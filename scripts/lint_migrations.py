"""Hold migrations to docs/upgrading.md: `scripts/lint_migrations.py`.

Exit code 1 names the faults.

Two releases run on one schema while a roll lasts, and no request may wait for a lock. Operations are read as Django has them,
statements for Postgres by squawk. A migration says why it is an exception by `allowed = {"rule": "reason"}`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "app"))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django  # noqa: E402

django.setup()

from django.apps import apps  # noqa: E402
from django.db import migrations, models  # noqa: E402
from django.db.migrations.loader import MigrationLoader  # noqa: E402
from django.db.models import NOT_PROVIDED  # noqa: E402

from db.indexes import OnPostgres  # noqa: E402

# Whose migrations are ours.
OURS = ROOT / "app"
# What squawk may leave aside: time limits, which each connection has (db/pool.py), repeatable statements, which OnPostgres asks
# for, and the types that Django chooses.
EXCLUDED = (
    "prefer-robust-stmts",
    "prefer-bigint-over-int",
    "prefer-bigint-over-smallint",
    "prefer-identity",
    "prefer-text-field",
    "require-lock-timeout",
    "require-statement-timeout",
)


GONE = (
    migrations.RemoveField,
    migrations.DeleteModel,
    migrations.RenameField,
    migrations.RenameModel,
    migrations.AlterModelTable,
)


class Fault(NamedTuple):
    rule: str
    says: str


class Step(NamedTuple):
    """An operation, and what its migration makes by itself: a new table may be locked."""

    operation: Any
    made: frozenset[str]
    atomic: bool


def on_old_table(step: Step) -> bool:
    return str(step.operation.model_name).lower() not in step.made


def new_column_has_a_default(step: Step) -> Iterator[str]:
    """The release before inserts rows without the column."""
    operation = step.operation
    if isinstance(operation, migrations.AddField) and on_old_table(step):
        field = operation.field
        if not field.null and not field.many_to_many and field.db_default is NOT_PROVIDED:
            yield f"{operation.model_name}.{operation.name} is new and has neither null=True nor db_default"


def index_is_built_beside_writers(step: Step) -> Iterator[str]:
    """CREATE INDEX stops all writers of its table until it is done."""
    operation = step.operation
    if isinstance(operation, migrations.AddIndex) and on_old_table(step):
        yield f"{operation.model_name}: the index {operation.index.name} is not built CONCURRENTLY: use db.indexes.OnPostgres"
    if isinstance(operation, migrations.AddField | migrations.AlterField) and on_old_table(step):
        field = operation.field
        if field.db_index or field.unique:
            yield f"{operation.model_name}.{operation.name} gets an index with its column: build it by db.indexes.OnPostgres"


def constraint_is_checked_later(step: Step) -> Iterator[str]:
    """Find a new constraint that reads all rows under a lock.

    It does so unless it is made NOT VALID and validated afterwards.
    """
    operation = step.operation
    if isinstance(operation, migrations.AddConstraint) and on_old_table(step):
        if isinstance(operation.constraint, models.UniqueConstraint):
            yield f"{operation.model_name}: {operation.constraint.name} builds its index under a lock: use db.indexes.OnPostgres"
        else:
            yield f"{operation.model_name}: {operation.constraint.name} checks all rows under a lock: use AddConstraintNotValid"


def nothing_is_taken_away(step: Step) -> Iterator[str]:
    """The release before still uses it: contract one release later."""
    gone = (
        migrations.RemoveField,
        migrations.DeleteModel,
        migrations.RenameField,
        migrations.RenameModel,
        migrations.AlterModelTable,
    )
    if isinstance(step.operation, gone):
        yield f"{step.operation.describe()}: the release before still uses the old one"


def column_is_not_rewritten(step: Step) -> Iterator[str]:
    """Another type rewrites the table under a lock; NOT NULL reads it."""
    operation = step.operation
    if isinstance(operation, migrations.AlterField) and on_old_table(step):
        yield f"{operation.model_name}.{operation.name} is altered: a new type or NOT NULL locks its table"


def data_is_moved_alone(step: Step) -> Iterator[str]:
    """Find rows that are changed in the transaction of a schema change.

    They stay locked with the table.
    """
    if isinstance(step.operation, migrations.RunPython) and step.atomic and _uses_models(step.operation):
        yield "RunPython changes rows in a transaction: set atomic = False, and change them in batches"


RULES: tuple[Callable[[Step], Iterator[str]], ...] = (
    new_column_has_a_default,
    index_is_built_beside_writers,
    constraint_is_checked_later,
    nothing_is_taken_away,
    column_is_not_rewritten,
    data_is_moved_alone,
)


class Recorder:
    """Stands for Postgres' schema editor, and keeps its statements."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.connection = type("Connection", (), {"vendor": "postgresql", "alias": "default"})

    def execute(self, statement: Any, *_: Any) -> None:
        self.statements.append(str(statement))


def _recorded(operation: migrations.RunPython) -> list[str] | None:
    """Return the statements of a function that only executes some.

    None if it uses models.
    """
    recorder = Recorder()
    try:
        operation.code(None, recorder)
    except Exception:  # noqa: BLE001  # it asked for what is not there: the models
        return None
    return recorder.statements


def _uses_models(operation: migrations.RunPython) -> bool:
    return _recorded(operation) is None


def statements(operation: Any) -> Iterator[str]:
    if isinstance(operation, OnPostgres):
        yield from operation.forwards
    elif isinstance(operation, migrations.RunSQL):
        yield from [operation.sql] if isinstance(operation.sql, str) else [str(one) for one in operation.sql]
    elif isinstance(operation, migrations.RunPython):
        yield from _recorded(operation) or ()


def on_database(operations: Sequence[Any]) -> Iterator[Any]:
    """Yield the operations that reach the database.

    Those inside a SeparateDatabaseAndState are among them.
    """
    for operation in operations:
        if isinstance(operation, migrations.SeparateDatabaseAndState) and not isinstance(operation, OnPostgres):
            yield from on_database(operation.database_operations)
        else:
            yield operation


def faults_of(migration: Any) -> Iterator[Fault]:
    """Check one migration.

    What it allows itself, with a reason, is no fault.
    """
    allowed = getattr(migration, "allowed", {})
    found: list[Fault] = []
    made: set[str] = set()
    operations = list(on_database(migration.operations))
    for operation in operations:
        if isinstance(operation, migrations.CreateModel):
            made.add(operation.name.lower())
        step = Step(operation, frozenset(made), migration.atomic)
        found += [Fault(rule.__name__, text) for rule in RULES for text in rule(step)]
    found += squawked([text for operation in operations for text in statements(operation)], atomic=migration.atomic)
    for fault in found:
        if not allowed.get(fault.rule):
            yield fault
    for rule in set(allowed) - {fault.rule for fault in found}:
        yield Fault(rule, "is allowed here, and nothing needs it: remove it")


def squawked(sql: list[str], *, atomic: bool) -> Iterator[Fault]:
    """Give statements to squawk."""
    if not sql:
        return
    options = [f"--exclude={rule}" for rule in EXCLUDED] + ["--pg-version=15", "--reporter=json"]
    if atomic:
        options.append("--assume-in-transaction")
    text = ";\n".join(one.strip().rstrip(";") for one in sql) + ";\n"
    command = [str(Path(sys.executable).parent / "squawk"), *options]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode not in {0, 1}:
        raise RuntimeError(f"squawk failed: {done.stderr}")
    for one in json.loads(done.stdout or "[]"):
        line = text.splitlines()[one["line"]].strip()
        yield Fault(one["rule_name"], f"{one['message']} ({line[:80]})")


def ours() -> Iterator[Any]:
    """Yield our migrations, as they lie on disk; no database is asked."""
    loader = MigrationLoader(None)
    for (label, _), migration in sorted(loader.disk_migrations.items()):
        if Path(apps.get_app_config(label).path).is_relative_to(OURS):
            yield migration


def main() -> int:
    checked, wrong = 0, 0
    for migration in ours():
        checked += 1
        for fault in faults_of(migration):
            wrong += 1
            sys.stderr.write(f"{migration.app_label} {migration.name}: {fault.says} [{fault.rule}]\n")
    if not wrong:
        sys.stdout.write(f"{checked} migrations fit docs/upgrading.md\n")
    return 1 if wrong or not checked else 0


if __name__ == "__main__":
    sys.exit(main())
