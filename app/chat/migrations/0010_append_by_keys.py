from __future__ import annotations

from importlib import import_module

from django.db import migrations

_SILENCED = import_module("chat.migrations.0004_silenced")
_UNCOUNTED = import_module("chat.migrations.0007_append_uncounted")
BEFORE: str = _UNCOUNTED.AFTER
MEMBER = "rooms_membership m ON m.room_id = room AND m.user_id = person AND NOT m.silenced"
KEY = "chat_event e ON e.room_id = room AND e.author_id = person AND e.key = name"
# Only the index over both serves it: that over the people alone would read all the rooms that the author is in.
BOTH = "(m.room_id, m.user_id) >= (room, person) AND (m.room_id, m.user_id) <= (room, person)"


def _one(found: str, name: str, condition: str) -> str:
    return f"LATERAL (\n            SELECT {found} FROM {condition} LIMIT 1\n        ) AS {name} ON true"


AFTER: str = _UNCOUNTED._changed(
    BEFORE,
    {
        # A plan made while a table was empty would go through all of it for each message of a batch.
        "SET enable_mergejoin = off": "SET enable_mergejoin = off SET enable_material = off",
        MEMBER: _one("m.id", "m", f"rooms_membership m WHERE {BOTH} AND NOT m.silenced"),
        # One sort for both arrays.
        "array_agg(seq ORDER BY place), array_agg(passed ORDER BY place)": "array_agg(seq), array_agg(passed)",
        # Not `=`, by which Postgres may go through all rooms in the order of their ids.
        "WHERE id = moved.room": "WHERE id = ANY (ARRAY[moved.room])",
        KEY: _one("e.id, e.seq", "e", KEY.replace(" ON ", " WHERE ")) + "\n        ORDER BY place",
    },
)


class Migration(migrations.Migration):
    """Look up each message of a commit by its keys.

    This holds even if the plans were made on empty tables.
    """

    dependencies = [("chat", "0009_things")]
    operations = [migrations.RunPython(_SILENCED.replace(AFTER), _SILENCED.replace(BEFORE))]
