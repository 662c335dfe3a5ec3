from __future__ import annotations

from importlib import import_module

from django.db import migrations

_SILENCED = import_module("chat.migrations.0004_silenced")
BEFORE: str = import_module("chat.migrations.0005_joins_beside_commits").AFTER


def _changed(statement: str, changes: dict[str, str]) -> str:
    for before, after in changes.items():
        assert statement.count(before) == 1, before
        statement = statement.replace(before, after)
    return statement


AFTER = _changed(
    BEFORE,
    {
        "given bigint[];": "given bigint[];\n    quiet bigint[];",
        "SELECT array_agg(seq ORDER BY place) INTO given FROM (\n        SELECT place, CASE": (
            "SELECT array_agg(seq ORDER BY place), array_agg(passed ORDER BY place) INTO given, quiet FROM (\n"
            "        SELECT place, r.uncounted AS passed, CASE"
        ),
        "edited, deleted, reactions)": "edited, deleted, reactions, uncounted)",
        "false, false, '{}'": "false, false, '{}', passed",
        "FROM unnest(rooms, given, people, names, texts, aliases) AS new (room, seq, person, name, body, alias)": (
            "FROM unnest(rooms, given, people, names, texts, aliases, quiet)\n"
            "        AS new (room, seq, person, name, body, alias, passed)"
        ),
    },
)


class Migration(migrations.Migration):
    """Note in each message how many events before it do not count.

    This holds for a message from a process of the release before, too.
    """

    dependencies = [("chat", "0006_kinds"), ("rooms", "0009_uncounted")]
    operations = [migrations.RunPython(_SILENCED.replace(AFTER), _SILENCED.replace(BEFORE))]
