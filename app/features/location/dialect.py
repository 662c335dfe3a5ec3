"""The dialect of /ws/location/, which shows places in the lobby.

Frames in both directions are `{"latitude": 1.5, "longitude": 2.5}`; the server's frames also have `user`.

`latitude` and `longitude` are null once a person's share has ended. The first place begins a share of an hour unless one runs;
closing the last socket that feeds it ends it, in whatever process the others are. A lost socket's share ends with the next
socket that sends places into it.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import Any

import msgspec

from core.errors import BadFrame, Closed, FrameRefused
from core.words import words as _
from db.database import DatabaseUnavailable
from features.location import frames
from features.location.frames import Accuracy, Latitude, Longitude
from realtime.dialects.base import Dialect, decode_object
from realtime.publish import LogEvent, Person, RoomRef, dialect_note, encode, has_sockets_elsewhere
from rooms.join_flow import enter_first_use

LOBBY = "lobby"
SHARE_S = 3_600
# Begins the key of a share that this dialect began.
MARK = "ws-location:"
# How long a socket that closes waits for a word of another one that feeds the share.
ANSWER_S = 1.0


class PlaceIn(msgspec.Struct):
    latitude: Latitude
    longitude: Longitude
    accuracy: Accuracy | None = None


class PlaceOut(msgspec.Struct):
    latitude: Latitude | None
    longitude: Longitude | None
    # The account's name.
    user: str


class LocationDialect(Dialect):
    """Places in the lobby.

    The server's are null once the person's share has ended.
    """

    name = "location"
    topic = "location"
    line_in = PlaceIn
    line_out = PlaceOut
    # The share (its seq) that this socket sent its last place into, or began. 0: none.
    feeds = 0
    # Whether a socket closed and left the share to this one, which has sent no place since.
    stands_in = False
    # The name of its question to the others, and whether one of them feeds the share.
    question = ""

    async def open(self) -> None:
        self.lobby = await enter_first_use(self.socket.user, LOBBY)
        await self.socket.attach([self.lobby])
        self.socket.send_live_values(self.lobby.slug)

    async def text(self, text: str) -> None:
        try:
            await self._update(_place(text))
        except FrameRefused as refusal:
            self.socket.count_refusal(refusal)
            self.socket.push(encode({"error": refusal.message, "code": refusal.code}))

    async def _update(self, place: dict[str, Any]) -> None:
        fields = {"room": LOBBY, **place}
        try:
            await self.socket.perform("location.update", fields)
        except Closed:
            key = f"{MARK}{secrets.token_urlsafe(16)}"
            stored = await self.socket.perform("location.share", {"room": LOBBY, "key": key, "seconds": SHARE_S})
            self.feeds = stored["seq"] if stored else 0
            await self.socket.perform("location.update", fields)
        self.stands_in = False
        share = await frames.running(self.lobby, self.socket.user)
        if share is not None:
            self.feeds = share.seq

    async def closed(self) -> None:
        fed, self.feeds = self.feeds, 0  # from now on the others' answer is that nobody feeds it
        if not fed:
            return
        try:
            share = await frames.running(self.lobby, self.socket.user)
            if share is None or share.seq != fed or not share.key.startswith(MARK) or await self._is_fed_by_another(fed):
                return
            await frames.end(self.lobby, self.socket.user, fed)
        except (FrameRefused, DatabaseUnavailable):
            return  # it ends in its time

    async def lost(self) -> None:
        """End a share that another socket left to this one.

        This one may have been lost by then.
        """
        if self.stands_in:
            await self.closed()

    async def _is_fed_by_another(self, seq: int) -> bool:
        """Ask the person's sockets of all processes who else feeds the share."""
        user = self.socket.user.id
        self.question, self.answered = secrets.token_urlsafe(8), asyncio.Event()
        dialect_note(user, self.name, {"leaves": seq, "question": self.question})
        if not self.answered.is_set() and has_sockets_elsewhere(user):  # those of this process have answered at once
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_S):
                    await self.answered.wait()
        return self.answered.is_set()

    def noted(self, note: dict[str, Any]) -> None:
        if "leaves" in note:
            if note["leaves"] == self.feeds:
                self.stands_in = True
                dialect_note(self.socket.user.id, self.name, {"feeds": self.feeds, "question": note["question"]})
        elif note["question"] == self.question:
            self.answered.set()

    @staticmethod
    def encode_value(key: str, sender: Person, value: Any) -> str:
        place = value or {"latitude": None, "longitude": None}  # gone
        return encode({"latitude": place["latitude"], "longitude": place["longitude"], "user": sender.name})

    @staticmethod
    def encode(room: RoomRef, event: LogEvent) -> str | None:
        return None

    encode_own = encode


def _place(text: str) -> dict[str, Any]:
    """Return latitude and longitude of a line.

    Raises BadJson or BadFrame.
    """
    place = decode_object(text)
    if not {"latitude", "longitude"} <= place.keys():
        raise BadFrame(_("send {example}", example='{"latitude": 1.5, "longitude": 2.5}'))
    return {name: place[name] for name in ("latitude", "longitude", "accuracy") if name in place}
