"""The dialect of /ws/location/, which shows places in the lobby.

Frames in both directions are `{"latitude": 1.5, "longitude": 2.5}`; the server's frames also have `user`.

`latitude` and `longitude` are null once a person's share has ended. The first place begins a share of an hour unless one runs;
closing the socket ends it. A lost socket's share ends with the next socket that sends places into it.
"""

from __future__ import annotations

import secrets
from typing import Any

import msgspec

from core.errors import BadFrame, Closed, FrameRefused
from core.words import words as _
from db.database import DatabaseUnavailable
from features.location import frames
from features.location.frames import Accuracy, Latitude, Longitude
from features.location.shares import Share
from realtime.dialects.base import Dialect, decode_object
from realtime.publish import LogEvent, Person, RoomRef, encode, local_user
from rooms.join_flow import enter_first_use

LOBBY = "lobby"
SHARE_S = 3_600
# Begins the key of a share that this dialect began.
MARK = "ws-location:"


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
    # The key of the share that this socket began, and whether it has sent a place.
    key = ""
    sent = False

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
        self.sent = True
        try:
            await self.socket.perform("location.update", fields)
        except Closed:
            self.key = f"{MARK}{secrets.token_urlsafe(16)}"
            await self.socket.perform("location.share", {"room": LOBBY, "key": self.key, "seconds": SHARE_S})
            await self.socket.perform("location.update", fields)

    async def closed(self) -> None:
        try:
            share = await frames.running(self.lobby, self.socket.user)
            if share is not None and self._ends(share):
                await frames.end(self.lobby, self.socket.user, share.seq)
        except (FrameRefused, DatabaseUnavailable):
            return  # it ends in its time

    def _ends(self, share: Share) -> bool:
        """Say whether closing this socket ends the share.

        So it does with its own, and with a lost socket's into which it sends places.
        """
        if share.key == self.key:
            return True
        local = local_user(self.socket.user.id)
        others = [one.dialect for one in local.sockets] if local else []
        held = any(isinstance(other, LocationDialect) and other.key == share.key for other in others)
        return self.sent and share.key.startswith(MARK) and not held

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
