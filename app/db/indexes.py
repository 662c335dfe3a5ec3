"""Change indexes by migration during operation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.migrations.operations import SeparateDatabaseAndState
from django.db.migrations.operations.base import Operation


class OnPostgres(SeparateDatabaseAndState):
    """Operations that Postgres executes as statements in separate transactions.

    Its migration must not be atomic. Django's own way to drop a foreign key's index drops the key, too, and checks every row
    again while both tables are locked against readers. Each statement must be repeatable: after a failure the migration starts
    again.
    """

    def __init__(self, operations: Sequence[Operation], *, forwards: Sequence[str], backwards: Sequence[str]) -> None:
        super().__init__(database_operations=operations, state_operations=operations)
        self.forwards, self.backwards = forwards, backwards

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if not _on_postgres(schema_editor, self.forwards):
            with transaction.atomic(schema_editor.connection.alias):
                super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if not _on_postgres(schema_editor, self.backwards):
            with transaction.atomic(schema_editor.connection.alias):
                super().database_backwards(app_label, schema_editor, from_state, to_state)


def _on_postgres(schema_editor: Any, statements: Sequence[str]) -> bool:
    if schema_editor.connection.vendor != "postgresql":
        return False
    # Indexing many rows takes longer than the query time limit.
    for statement in ("SET statement_timeout = 0", *statements, "RESET statement_timeout"):
        schema_editor.execute(statement)
    return True
