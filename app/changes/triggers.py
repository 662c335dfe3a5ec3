"""The database triggers that write the journal.

With them, no program can change data without a journal entry. They are compared with the database after every `migrate`: on
SQLite a migration that alters a table drops its triggers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

MARK = "changes_"


class Trigger(NamedTuple):
    name: str
    table: str
    event: str
    # kind, user, room and detail of the row, in SQL for both databases.
    kind: str
    user: str
    room: str
    detail: str
    when: str = ""


PAST_HOUR = {
    "postgresql": "statement_timestamp() - interval '1 hour'",
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now', '-1 hour')",
}
NOW = {"postgresql": "clock_timestamp()", "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now')"}
SLUG = "coalesce((SELECT slug FROM rooms_room WHERE id = OLD.room_id), '')"

TRIGGERS = (
    Trigger(
        "access",
        "accounts_user",
        "UPDATE OF password, is_active",
        *("access", "OLD.id", "0", "''"),
        when="OLD.password <> NEW.password OR OLD.is_active AND NOT NEW.is_active",
    ),
    Trigger("person", "accounts_user", "DELETE", "access", "OLD.id", "0", "''"),
    Trigger("name", "accounts_user", "UPDATE OF username", "name", "OLD.id", "0", "''", when="OLD.username <> NEW.username"),
    Trigger("token", "accounts_apitoken", "DELETE", "token", "OLD.user_id", "0", "CAST(OLD.id AS text)"),
    # An expired session is found by its time; the sweep that deletes it later notes nothing.
    Trigger("session", "django_session", "DELETE", "session", "0", "0", "OLD.session_key", when="OLD.expire_date > {past_hour}"),
    Trigger(
        "expiry",
        "django_session",
        "UPDATE OF expire_date",
        *("session", "0", "0", "OLD.session_key"),
        when="NEW.expire_date < {now}",
    ),
    # Not for the head, which changes with every message: that statement names other columns.
    Trigger(
        "room",
        "rooms_room",
        "UPDATE OF title, kind",
        *("room", "0", "OLD.id", "''"),
        when="OLD.title <> NEW.title OR OLD.kind <> NEW.kind",
    ),
    # A new role changes a member's permissions.
    Trigger("role", "rooms_membership", "UPDATE OF role", "room", "0", "OLD.room_id", "''", when="OLD.role <> NEW.role"),
    # A closed room is hidden; its rows are deleted later, in the background.
    Trigger(
        "closed", "rooms_room", "UPDATE OF closed", *("deleted", "0", "OLD.id", "OLD.slug"), when="NEW.closed AND NOT OLD.closed"
    ),
    Trigger("deleted", "rooms_room", "DELETE", "deleted", "0", "OLD.id", "OLD.slug"),
    Trigger("feature_off", "switches_featureoff", "INSERT", "feature", "0", "0", "NEW.name"),
    Trigger("feature_on", "switches_featureoff", "DELETE", "feature", "0", "0", "OLD.name"),
    # To the other devices of the one who blocks; never to the one who is blocked.
    Trigger("block", "rooms_block", "INSERT", "block", "NEW.user_id", "0", "''"),
    Trigger("unblock", "rooms_block", "DELETE", "block", "OLD.user_id", "0", "''"),
    Trigger("member", "rooms_membership", "DELETE", "member", "OLD.user_id", "OLD.room_id", SLUG),
)


def install(connection: Any) -> None:
    """Create missing or outdated triggers.

    Takes no lock if there are none.
    """
    vendor = connection.vendor
    with connection.cursor() as cursor:
        known = _known(cursor, vendor)
        for trigger in TRIGGERS:
            statements = _STATEMENTS[vendor](trigger)
            if known.get(MARK + trigger.name) != _text(statements, vendor):
                for statement in statements:
                    cursor.execute(statement)
                if vendor == "postgresql":
                    comment = f"COMMENT ON TRIGGER {MARK}{trigger.name} ON {trigger.table} IS %s"
                    cursor.execute(comment, [_text(statements, vendor)])


def uninstall(connection: Any) -> None:
    """Drop the triggers on SQLite, where they would block migrations of their tables."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            for trigger in TRIGGERS:
                cursor.execute(f"DROP TRIGGER IF EXISTS {MARK}{trigger.name}")


def _known(cursor: Any, vendor: str) -> dict[str, str]:
    """Return name → source text of the installed triggers."""
    if vendor == "sqlite":
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    else:
        # Only the current schema: another installation may use the same database.
        cursor.execute(
            "SELECT tgname, coalesce(obj_description(oid, 'pg_trigger'), '') FROM pg_trigger"
            " WHERE NOT tgisinternal AND pg_table_is_visible(tgrelid)"
        )
    return dict(cursor.fetchall())


def _text(statements: list[str], vendor: str) -> str:
    """Return the trigger's text as stored.

    By sqlite_master, or in a comment on Postgres.
    """
    return statements[-1] if vendor == "sqlite" else "\n".join(statements)


def _insert(trigger: Trigger, vendor: str) -> str:
    values = f"'{trigger.kind}', {trigger.user}, {trigger.room}, {trigger.detail}, {NOW[vendor]}"
    return f"INSERT INTO changes_change (kind, user_id, room_id, detail, at) VALUES ({values})"  # noqa: S608


def _event(trigger: Trigger, vendor: str) -> str:
    condition = trigger.when.format(past_hour=PAST_HOUR[vendor], now=NOW[vendor])
    when = f"WHEN ({condition}) " if condition else ""
    return f"AFTER {trigger.event} ON {trigger.table} FOR EACH ROW {when}"


def _on_sqlite(trigger: Trigger) -> list[str]:
    name, insert = MARK + trigger.name, _insert(trigger, "sqlite")
    return [
        f"DROP TRIGGER IF EXISTS {name}",
        f"CREATE TRIGGER {name} {_event(trigger, 'sqlite')}BEGIN {insert}; END",
    ]


def _on_postgres(trigger: Trigger) -> list[str]:
    name, insert = MARK + trigger.name, _insert(trigger, "postgresql")
    body = f"LANGUAGE plpgsql AS $$ BEGIN {insert}; RETURN NULL; END $$"
    return [
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger {body}",
        f"CREATE OR REPLACE TRIGGER {name} {_event(trigger, 'postgresql')}EXECUTE FUNCTION {name}()",
    ]


_STATEMENTS = {"sqlite": _on_sqlite, "postgresql": _on_postgres}
