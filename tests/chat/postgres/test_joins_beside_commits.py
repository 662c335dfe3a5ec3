"""A commit under way in a room delays no new member."""

import time

import pytest
from django.db import connection, transaction

from accounts.models import User
from chat.store_postgres import APPEND
from db import database
from rooms.models import Membership
from tests.chat.world import World

pytestmark = pytest.mark.django_db(transaction=True)


async def test_join_waits_for_no_commit_of_the_room(world: World) -> None:
    eve = await database.run(lambda: User.objects.create(username="eve"))
    took_s = await database.run(_join_beside_commit, world, eve)
    assert took_s < 1


def _join_beside_commit(world: World, eve: User) -> float:
    """Seconds the membership took while a commit held the room."""
    room = world.rooms[0].id
    beside = connection.copy()
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(APPEND, [[room], [world.ada.id], ["k"], ["hi"], [""], "2026-11-29T12:00:00Z"])
            started = time.monotonic()
            with beside.cursor() as other:
                other.execute("SET lock_timeout = '3s'")
                other.execute(
                    "INSERT INTO rooms_membership (room_id, user_id, role, upto, joined_at, silenced)"
                    " VALUES (%s, %s, 'member', 0, now(), false)",
                    [room, eve.id],
                )
            took_s = time.monotonic() - started
    finally:
        beside.close()
    assert Membership.objects.filter(room_id=room, user=eve).exists()
    return took_s
