from __future__ import annotations

from typing import Any

import structlog
from django.db import ProgrammingError, NotSupportedError, OperationalError, migrations, models, transaction

logger = structlog.get_logger(__name__)

PARTS = "CREATE INDEX search_word_parts ON search_word USING gin (word gin_trgm_ops)"
MISSING = (
    "the extension pg_trgm cannot be created: parts of words are found slower. As a superuser of the database run"
    f" CREATE EXTENSION pg_trgm; and then, as its owner, {PARTS};"
)


def index_parts(apps: Any, schema_editor: Any) -> None:
    """Create the index of parts of words with its extension, if the role may do it.

    pg_trgm is a trusted extension: a role with the right to create objects in the database may create it.
    """
    connection = schema_editor.connection
    if connection.vendor != "postgresql":
        return
    try:
        with transaction.atomic(connection.alias):
            schema_editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            schema_editor.execute(PARTS)
    except (ProgrammingError, NotSupportedError, OperationalError) as error:
        logger.warning(MISSING, error=str(error).partition("\n")[0])


def keep(apps: Any, schema_editor: Any) -> None:
    """The extension stays: others may use it.

    The index goes with its table.
    """


class Migration(migrations.Migration):
    allowed = {"require-concurrent-index-creation": "the table is new"}
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Word", fields=[("word", models.CharField(max_length=64, primary_key=True, serialize=False))]
        ),
        migrations.CreateModel(
            name="Progress",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("upto", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.RunPython(index_parts, keep),
    ]
