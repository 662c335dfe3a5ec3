from __future__ import annotations

from typing import Any

from django.db import migrations

APPEND = """
CREATE FUNCTION chat_append(rooms bigint[], people bigint[], names text[], texts text[], aliases text[], moment timestamptz)
RETURNS bigint[]
LANGUAGE plpgsql
-- A plan made while a table was small would read all of it when it is large; and no plan is made anew for each batch.
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
    given bigint[];
BEGIN
    -- In the order of the ids, so that two processes never wait for each other. What follows sees what they had committed.
    PERFORM FROM rooms_room WHERE id = ANY (rooms) ORDER BY id FOR UPDATE;

    SELECT array_agg(seq ORDER BY place) INTO given FROM (
        SELECT place, CASE
            WHEN m.id IS NULL THEN 0
            WHEN e.id IS NOT NULL THEN -e.seq
            ELSE r.head + row_number() OVER (PARTITION BY room, m.id IS NULL OR e.id IS NOT NULL ORDER BY place)
        END AS seq
        FROM unnest(rooms, people, names) WITH ORDINALITY AS asked (room, person, name, place)
        LEFT JOIN rooms_room r ON r.id = room
        LEFT JOIN rooms_membership m ON m.room_id = room AND m.user_id = person
        LEFT JOIN chat_event e ON e.room_id = room AND e.author_id = person AND e.key = name
    ) AS numbered;

    INSERT INTO chat_event (room_id, seq, kind, author_id, key, at, text, alias, edited, deleted, reactions)
    SELECT room, seq, 'message', person, name, moment, body, alias, false, false, '{}'
    FROM unnest(rooms, given, people, names, texts, aliases) AS new (room, seq, person, name, body, alias)
    WHERE seq > 0;

    UPDATE rooms_room SET head = moved.head, last_at = clock_timestamp()
    FROM (SELECT room, max(seq) AS head FROM unnest(rooms, given) AS new (room, seq) WHERE seq > 0 GROUP BY room) AS moved
    WHERE id = moved.room;

    RETURN given;
END
$$
"""


def create(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(APPEND)


def drop(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP FUNCTION chat_append")


class Migration(migrations.Migration):
    """A group commit in one statement, for chat/store_postgres.py."""

    dependencies = [("chat", "0002_fewer_indexes"), ("rooms", "0004_fewer_indexes")]
    operations = [migrations.RunPython(create, drop)]
