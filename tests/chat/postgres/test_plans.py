"""How Postgres looks things up for a commit, in a database without statistics and with those of empty tables."""

import psycopg
import pytest
from django.db import connection

from chat.store_postgres import APPEND
from rooms.models import Room
from tests.chat.world import World

pytestmark = pytest.mark.django_db(transaction=True)

EXPLAIN = """
    LOAD 'auto_explain';
    SET auto_explain.log_min_duration = 0;
    SET auto_explain.log_nested_statements = on;
    SET client_min_messages = log
"""


@pytest.mark.parametrize("analyzed", [False, True])
def test_a_commit_reads_neither_a_rooms_log_nor_its_members(analyzed: bool) -> None:
    if analyzed:  # as autovacuum may do between the migrations and the first message
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE chat_event, rooms_membership, rooms_room")
    world = World()
    known = connection.get_connection_params()
    kwargs = {name: value for name, value in known.items() if name not in {"cursor_factory", "context", "pool"}}
    said: list[str] = []
    with psycopg.connect(**kwargs, autocommit=True) as own:
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
