"""The exchange of indexes keeps the log, its constraints and its foreign keys.

It can be started again after an interruption.
"""

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection

from chat.models import Event
from rooms.models import Membership
from tests.chat.world import World

pytestmark = pytest.mark.django_db(transaction=True)

OLD = {"one_event_a_seq": "room_id,seq", "one_event_a_key": "room_id,author_id,key"} | {
    "chat_event_room_id_2802b34a": "room_id", "chat_event_author_id_36d9fb6b": "author_id", "chat_event_pkey": "id"
}  # fmt: skip
NEW = {"one_event_a_seq": "room_id,seq", "one_event_a_key": "author_id,room_id,key", "chat_event_pkey": "id"}


@pytest.fixture
def migrated() -> Iterator[None]:
    yield
    call_command("migrate", verbosity=0)


def migrate(app: str, name: str) -> None:
    call_command("migrate", app, name, verbosity=0)


def found(table: str) -> tuple[dict[str, str], int]:
    """The valid indexes with their columns, and the number of foreign keys."""
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, table)
        cursor.execute("SELECT relname FROM pg_class JOIN pg_index ON indexrelid = oid WHERE NOT indisvalid")
        broken = {name for (name,) in cursor.fetchall()}
    # Those of expressions are features'.
    plain = {name: made for name, made in constraints.items() if None not in made["columns"]}
    indexes = {name: ",".join(made["columns"]) for name, made in plain.items() if made["index"] or made["unique"]}
    assert not broken & indexes.keys()
    return indexes, sum(bool(made["foreign_key"]) for made in constraints.values())


def event(world: World, **fields: object) -> Event:
    return Event(room_id=world.rooms[0].id, author=world.ada, at="2026-01-01T00:00:00Z", **fields)


@pytest.mark.usefixtures("migrated")
def test_there_and_back_with_people_in_it() -> None:
    world = World()
    event(world, seq=1, key="k").save()
    members = Membership.objects.count()
    assert found("chat_event") == (NEW | {"chat_things": "room_id,kind,seq"}, 2)
    migrate("chat", "0001")
    migrate("rooms", "0003")
    assert found("chat_event") == (OLD, 2)
    assert "rooms_membership_room_id_6917d899" in found("rooms_membership")[0]
    with connection.cursor() as cursor:  # what an exchange that was cut off leaves
        cursor.execute("CREATE INDEX one_event_a_new_key ON chat_event (author_id)")
    migrate("rooms", "0004")
    migrate("chat", "0003")
    assert found("chat_event") == (NEW, 2)
    assert "rooms_membership_room_id_6917d899" not in found("rooms_membership")[0]
    assert (Event.objects.count(), Membership.objects.count()) == (1, members)
    call_command("migrate", verbosity=0)  # the model has columns of later migrations
    with pytest.raises(IntegrityError):
        event(world, seq=2, key="k").save()
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("10s",)
