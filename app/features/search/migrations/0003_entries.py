from __future__ import annotations

from typing import Any

from django.db import migrations, models

from db.indexes import OnPostgres

# The second column of the index narrows a common word down to a few rooms, or to an author.
TABLE = """
CREATE TABLE IF NOT EXISTS search_entry (id bigint PRIMARY KEY, words tsvector NOT NULL, place bigint[] NOT NULL)
"""
INDEX = "CREATE INDEX IF NOT EXISTS search_entry_words ON search_entry USING gin (words, place)"
# A key to chat_event would lock its rows while messages are indexed.
FORGET = """
CREATE OR REPLACE FUNCTION search_forget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM search_entry USING gone WHERE search_entry.id = gone.id;
    RETURN NULL;
END
$$
"""
TRIGGER = """
CREATE OR REPLACE TRIGGER search_forget AFTER DELETE ON chat_event REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION search_forget()
"""


def create(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for statement in (TABLE, INDEX, FORGET, TRIGGER):
            schema_editor.execute(statement)


def drop(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for statement in ("DROP TRIGGER search_forget ON chat_event", "DROP FUNCTION search_forget", "DROP TABLE search_entry"):
            schema_editor.execute(statement)


class Migration(migrations.Migration):
    """Give the words of messages a table of their own.

    They are entered after the commits instead of in them.
    """

    allowed = {"require-concurrent-index-creation": "the table is new"}
    atomic = False
    dependencies = [("search", "0002_index")]
    operations = [
        # The releases before go on with `upto` while processes are replaced.
        migrations.AddField("progress", "entered", models.BigIntegerField(default=0, db_default=0)),
        migrations.AddField("progress", "paused_until", models.DateTimeField(null=True)),
        migrations.RunPython(create, drop),
        OnPostgres([], forwards=["DROP INDEX CONCURRENTLY IF EXISTS search_message"], backwards=[]),
    ]
