"""The triggers of the journal exist after every migration."""

import pytest
from django.db import connection

from changes import triggers
from changes.models import Change
from rooms.models import Kind, Room

pytestmark = pytest.mark.django_db(transaction=True)


def test_message_that_moves_a_head_writes_no_journal() -> None:
    room = Room.objects.create(slug="journal-head")
    before = Change.objects.count()
    Room.objects.filter(id=room.id).update(head=5)
    assert Change.objects.count() == before


def test_room_saved_unchanged_writes_no_journal() -> None:
    room = Room.objects.create(slug="journal-same")
    before = Change.objects.count()
    room.save()
    assert Change.objects.count() == before
    room.kind = Kind.PRIVATE
    room.save()
    assert Change.objects.latest("id").kind == "room"


def test_dropped_trigger_is_created_again() -> None:
    with connection.cursor() as cursor:
        on = " ON rooms_room" if connection.vendor == "postgresql" else ""
        cursor.execute(f"DROP TRIGGER changes_room{on}")
    triggers.install(connection)
    room = Room.objects.create(slug="journal-again")
    Room.objects.filter(id=room.id).update(title="Another")
    assert Change.objects.latest("id").room_id == room.id


def test_existing_triggers_are_left_alone() -> None:
    triggers.install(connection)
    with connection.execute_wrapper(_no_ddl):
        triggers.install(connection)


def _no_ddl(execute: object, sql: str, params: object, many: bool, context: object) -> object:
    assert sql.lstrip().upper().startswith("SELECT"), sql
    return execute(sql, params, many, context)  # type: ignore[operator]
