"""The frames of chess."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from django.utils import timezone

from accounts.people import find_user
from chat.publish import Key, Target, durable, room_of
from core.errors import BadFrame, NoSuchTarget
from core.words import words as _
from db import database
from features.chess.events import OFFER_LASTS, ChessAccepted, ChessDraw, ChessEnded, ChessMoved
from features.chess.state import Chess, Player
from realtime.publish import DeferredReply, FrameId, Slug
from realtime.socket import Socket
from rooms import access


class ChessOffer(msgspec.Struct, tag="chess.offer"):
    room: Slug
    # Of each side's clock, and what each move adds.
    seconds: Annotated[int, msgspec.Meta(ge=10, le=10_800)]
    increment: Annotated[int, msgspec.Meta(ge=0, le=180)]
    key: Key
    # A member's id or name. None: anybody in the room may accept.
    opponent: Annotated[int, msgspec.Meta(ge=1, le=2**53)] | Slug | None = None
    id: FrameId = None


class ChessAccept(msgspec.Struct, tag="chess.accept"):
    room: Slug
    target: Target
    key: Key
    id: FrameId = None


class ChessMove(msgspec.Struct, tag="chess.move"):
    room: Slug
    target: Target
    # In UCI: e2e4, e7e8q; castling is the king's move.
    move: Annotated[str, msgspec.Meta(max_length=8)]
    key: Key
    id: FrameId = None


class ChessResign(msgspec.Struct, tag="chess.resign"):
    room: Slug
    target: Target
    key: Key
    id: FrameId = None


class ChessDrawFrame(msgspec.Struct, tag="chess.draw"):
    room: Slug
    target: Target
    action: Literal["offer", "accept", "decline"]
    key: Key
    id: FrameId = None


async def chess_offer(socket: Socket, frame: ChessOffer) -> DeferredReply:
    opponent = 0 if frame.opponent is None else await _opponent(socket, frame)
    white = Player(socket.user.id, socket.user.name)
    expires = timezone.now() + OFFER_LASTS
    game = Chess(frame.seconds, frame.increment, white, opponent, white_s=frame.seconds, black_s=frame.seconds, expires=expires)
    return await durable(socket, frame, game)


async def _opponent(socket: Socket, frame: ChessOffer) -> int:
    room = await room_of(socket, frame.room)

    def find() -> int:
        assert frame.opponent is not None
        found = find_user(frame.opponent)
        if found.id == socket.user.id:
            raise BadFrame(_("you cannot play against yourself"))
        if not access.members_among([(room.id, found.id)]):
            raise NoSuchTarget(_("{name} is not in the room", name=found.username))
        return int(found.id)

    return await database.run_for(socket.user.id, find)


async def chess_accept(socket: Socket, frame: ChessAccept) -> DeferredReply:
    return await durable(socket, frame, ChessAccepted())


async def chess_move(socket: Socket, frame: ChessMove) -> DeferredReply:
    return await durable(socket, frame, ChessMoved(frame.move))


async def chess_resign(socket: Socket, frame: ChessResign) -> DeferredReply:
    return await durable(socket, frame, ChessEnded("resign"))


async def chess_draw(socket: Socket, frame: ChessDrawFrame) -> DeferredReply:
    payload = ChessEnded("draw") if frame.action == "accept" else ChessDraw(frame.action == "offer")
    return await durable(socket, frame, payload)
