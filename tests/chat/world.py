"""Rooms, a member who may write in them, and the store of this profile."""

from django.db import connection

from accounts.models import User
from chat.batch import PendingEvent
from chat.store_orm import OrmStore
from chat.store_postgres import PostgresStore
from realtime.publish import RoomRef
from rooms.models import Membership, Room

ROOMS = 6


class World:
    """Rooms and a member of all of them.

    Make it in a database thread.
    """

    def __init__(self) -> None:
        self.ada = User.objects.create(username="ada")
        self.models = [Room.objects.create(slug=f"room-{number}") for number in range(ROOMS)]
        Membership.objects.bulk_create([Membership(room=room, user=self.ada) for room in self.models])
        self.rooms = [RoomRef(room.id, room.slug, direct=False) for room in self.models]

    def append(self, room: int, key: str, text: str = "hi") -> PendingEvent:
        return PendingEvent(room=self.rooms[room], author=self.ada.id, author_name="ada", key=key, text=text)


def store() -> OrmStore | PostgresStore:
    return PostgresStore() if connection.vendor == "postgresql" else OrmStore()
