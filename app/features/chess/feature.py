"""Chess between two people with the room watching."""

from __future__ import annotations

from core.features import Feature, FrameHandler
from features.chess import events, frames
from features.chess.api import router

FEATURE = Feature(
    name="chess",
    events=(events.CHESS, events.ACCEPTED, events.MOVED, events.DRAW, events.ENDED),
    frames=(
        FrameHandler(frames.ChessOffer, frames.chess_offer),
        FrameHandler(frames.ChessAccept, frames.chess_accept, paced=False),
        FrameHandler(frames.ChessMove, frames.chess_move, paced=False),
        FrameHandler(frames.ChessResign, frames.chess_resign, paced=False),
        FrameHandler(frames.ChessDrawFrame, frames.chess_draw, paced=False),
    ),
    routers=(("/rooms", router),),
    errors=(events.IllegalMove, events.NotYourTurn),
)
