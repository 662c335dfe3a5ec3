from __future__ import annotations

from importlib import import_module
from typing import Any

from django.db import migrations

BEFORE: str = import_module("chat.migrations.0003_append").APPEND.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
MEMBER = "m.room_id = room AND m.user_id = person"
AFTER = BEFORE.replace(MEMBER, f"{MEMBER} AND NOT m.silenced")


def replace(statement: str) -> Any:
    def run(apps: Any, schema_editor: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(statement)

    return run


class Migration(migrations.Migration):
    """Somebody who is blocked reads their direct room and writes nothing into it."""

    dependencies = [("chat", "0003_append"), ("rooms", "0005_quotas_and_blocks")]
    operations = [migrations.RunPython(replace(AFTER), replace(BEFORE))]
