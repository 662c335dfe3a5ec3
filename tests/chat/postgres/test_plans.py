"""The plans that Postgres makes for the look-ups of a commit.

The database has no statistics, or has the statistics of empty tables.
"""

from datetime import datetime
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from chat import store_postgres
from chat.models import Due, Event
from chat.store_postgres import APPEND
from rooms.models import Membership, Mention, Room
from tests.chat.world import World

pytestmark = pytest.mark.django_db(transaction=True)

EXPLAIN = """
    LOAD 'auto_explain';
    SET auto_explain.log_min_duration = 0;
    SET auto_explain.log_nested_statements = on;
    SET client_min_messages = log
"""


def _parameters() -> dict[str, Any]:
    """Return the test database's, for a connection of one's own."""
    known = connection.get_connection_params()
    return {name: value for name, value in known.items() if name not in {"cursor_factory", "context", "pool"}}


@pytest.mark.parametrize("analyzed", [False, True])
def test_a_commit_reads_neither_a_rooms_log_nor_its_members(analyzed: bool) -> None:
    if analyzed:  # as autovacuum may do between the migrations and the first message
        with connection.cursor() as cursor:
            # Pages and rows that other tests rolled back would be counted.
            cursor.execute("TRUNCATE chat_event, rooms_membership, rooms_room CASCADE")
            cursor.execute("VACUUM ANALYZE chat_event, rooms_membership, rooms_room")
    world = World()
    said: list[str] = []
    with psycopg.connect(**_parameters(), autocommit=True) as own:
        own.execute(EXPLAIN)
        own.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
        room = world.rooms[0].id
        for number in range(8):  # the sixth would have the plan that is kept, were it not asked for from the start
            asked = [[room, room], [world.ada.id] * 2, [f"k{number}", f"l{number}"], ["one", "two"], ["", ""], "2026-01-01Z"]
            own.execute(APPEND, asked)
    plans = [plan for plan in said if "unnest(rooms, people, names)" in plan]
    assert len(plans) == 8
    for plan in plans:
        assert "using one_event_a_key on chat_event" in plan
        assert "using one_membership on rooms_membership" in plan
        assert "using rooms_room_pkey on rooms_room" in plan
        assert "Seq Scan" not in plan
        assert "Materialize" not in plan
        assert plan.count("Index Cond") == len(("room", "membership", "key"))
    # Every head is moved by the room's key.
    moves = [plan for plan in said if "UPDATE rooms_room" in plan]
    assert len(moves) == 8
    assert all("Index Cond: (id = ANY (ARRAY[" in plan for plan in moves)
    assert Room.objects.get(id=room).head == 16


MANY = 3_000
# Rows of the tables that one statement may read: those it is about, their targets, and what deletes and inserts look at.
FEW = 12


def _arrays(*columns: object) -> list[str]:
    return ["{" + str(column) + "}" for column in columns]


def test_a_planned_commit_reads_what_it_is_about_alone() -> None:
    """Each statement keeps a plan that was made while the tables were empty.

    Then there is a large log, of many people, in many rooms.
    """
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE chat_event, chat_due, rooms_membership, rooms_room, rooms_mention, accounts_user")
    world = World()
    room, ada, now = world.rooms[0].id, world.ada.id, timezone.now()
    with psycopg.connect(**_parameters()) as own:
        own.execute("SET plan_cache_mode = force_generic_plan")
        own.commit()
        _rows_read(own, room, ada, ada, now)
        people = User.objects.bulk_create([User(username=f"person-{number}", name_key=f"{number}") for number in range(MANY)])
        rooms = Room.objects.bulk_create([Room(slug=f"other-{number}") for number in range(MANY)])
        Membership.objects.bulk_create([Membership(room_id=room, user=person) for person in people])
        Membership.objects.bulk_create([Membership(room=other, user=world.ada) for other in rooms])
        Event.objects.bulk_create(
            [Event(room_id=room, seq=seq, author_id=ada, key=f"k{seq}", at=now, text="hi") for seq in range(1, MANY + 1)]
        )
        Mention.objects.bulk_create([Mention(room_id=room, user=person, seq=1 + at) for at, person in enumerate(people)])
        Due.objects.bulk_create([Due(room_id=room, seq=seq, at=now) for seq in range(1, MANY + 1)])
        read = _rows_read(own, room, ada, people[-1].id, now)
    # Whoever is named is looked for among the members of the room, unless autovacuum comes by: then the index holds it all.
    assert read.pop("MENTION") <= MANY + FEW
    assert {name: rows for name, rows in read.items() if rows > FEW} == {}
    assert read["KNOWN"] >= 1, "the counters count"


def _rows_read(own: psycopg.Connection[Any], room: int, author: int, named: int, now: datetime) -> dict[str, int]:
    """Run each prepared statement of a planned commit; return how many rows it read.

    Each statement runs once and is undone. The rows of all tables count.
    """
    place = [room, 1_000]
    asked = {
        "BEGIN": [],
        "LOCK": _arrays(room),
        "ROLES": _arrays(room, author),
        "KNOWN": _arrays(*place),
        "KNOWN_KEYS": _arrays(room, author, "k1000"),
        "CHANGE": _arrays(*place, "new", "t", "f", '"{}"', '"{}"'),
        "MENTION": _arrays(*place, author, named),
        "UNMENTION": _arrays(*place),
        "DUE": _arrays(*place, now.isoformat()),
        "UNDUE": _arrays(*place),
        "MOVE": _arrays(room, MANY + 1, 0, "t", "f"),
    }
    read: dict[str, int] = {}
    count = "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables"
    for name, values in asked.items():
        before = own.execute(count).fetchone()
        own.execute(getattr(store_postgres, name), values, prepare=True)
        after = own.execute(count).fetchone()
        assert before is not None
        assert after is not None
        read[name] = int(after[0]) - int(before[0])
    own.rollback()
    return read
