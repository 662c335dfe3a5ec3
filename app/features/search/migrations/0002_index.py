from __future__ import annotations

from typing import Any

from django.db import migrations

from db.indexes import OnPostgres
from features.search.words import UNSPACED

PAIRS = f"'([{UNSPACED}]{{1,2}})', ' \\1 ', 'g'"
# Each commit runs it, so most texts need only two cheap checks. A script without blanks is split into pairs of neighbours: once
# from the first character of a run, once from the second. Postgres would skip text between < and >.
FUNCTION = f"""
CREATE OR REPLACE FUNCTION search_text(body text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE WHEN strpos(body, '<') = 0 AND octet_length(body) = char_length(body) THEN body
ELSE translate(
    CASE WHEN body ~ '[{UNSPACED}]' THEN
        regexp_replace(body, {PAIRS}) || ' '
        || regexp_replace(regexp_replace(body, '[{UNSPACED}]([{UNSPACED}]*)', ' \\1 ', 'g'), {PAIRS})
    ELSE body END, '<>', '  ')
END
$$
"""
# The second column narrows a common word down to a few rooms, or to an author. A commit appends to the index's pending list,
# which is merged 4 MB at a time.
INDEX = """
CREATE INDEX CONCURRENTLY search_message ON chat_event USING gin (
    to_tsvector('simple'::regconfig, search_text(text)), (ARRAY[room_id, -author_id])
) WHERE text <> ''
"""


def create(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(FUNCTION)


def drop(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP FUNCTION search_text")


class Migration(migrations.Migration):
    """The index of messages, built while people write."""

    atomic = False
    dependencies = [("search", "0001_words"), ("chat", "0008_due")]
    operations = [
        migrations.RunPython(create, drop),
        OnPostgres(
            [],
            forwards=["DROP INDEX CONCURRENTLY IF EXISTS search_message", INDEX],
            backwards=["DROP INDEX CONCURRENTLY IF EXISTS search_message"],
        ),
    ]
