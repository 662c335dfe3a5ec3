"""A person as one process sees them: their local sockets and the rooms they are told of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings

from realtime.events import Person, RoomRef
from realtime.limits import Bucket

if TYPE_CHECKING:
    from realtime.socket import Socket


class LocalPerson:
    __slots__ = ("bucket", "person", "rooms", "sockets", "upto")

    def __init__(self, person: Person) -> None:
        self.person = person
        self.sockets: set[Socket] = set()
        self.upto: dict[int, int] = {}
        """Read mark of each room (by id) they are a member of."""
        self.rooms: dict[str, RoomRef] = {}
        """The same rooms by slug."""
        rate = settings.LIMIT_MESSAGES_PER_S
        self.bucket = Bucket(rate, rate)
