"""A game in the log: offered, accepted, moved, ended.

All of it is pure; the clocks follow the commits' times.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from core.errors import Closed, Forbidden, FrameRefused, NoSuchTarget
from core.features import Context, EventKind
from core.words import words as _
from features.chess import rules
from features.chess.state import Chess, ChessState, Player, shown

OFFER_LASTS = timedelta(days=1)


class IllegalMove(FrameRefused):
    code = "illegal_move"


class NotYourTurn(FrameRefused):
    code = "not_your_turn"


class ChessAccepted(msgspec.Struct, frozen=True, tag="chess.accepted"):
    pass


class ChessMoved(msgspec.Struct, frozen=True, tag="chess.moved"):
    move: str


class ChessDraw(msgspec.Struct, frozen=True, tag="chess.draw_offered"):
    """A draw that is offered, or declined."""

    offered: bool


Reason = Literal["resign", "draw", "time", "expired", "over"]


class ChessEnded(msgspec.Struct, frozen=True, tag="chess.ended"):
    # `over`: a move has ended the game, and says how.
    why: Reason


def accept(game: Chess, payload: ChessAccepted, author: int, context: Context) -> Chess:
    """Begin the game: white's clock runs."""
    if game.result or game.black is not None:
        raise Closed(_("the offer is no longer open"))
    if author == game.white.id or game.opponent not in {0, author}:
        raise Forbidden(_("the offer is for another person"))
    return msgspec.structs.replace(
        game,
        black=Player(author, context.author_name),
        white_s=float(game.seconds),
        black_s=float(game.seconds),
        clock_at=context.at,
        expires=None,
    )


def move(game: Chess, payload: ChessMoved, author: int, context: Context) -> Chess:
    """Make a move."""
    colour = _playing(game, author, context)
    if game.turn != colour:
        raise NotYourTurn(_("it is the other side's turn"))
    try:
        made = rules.move(game.fen, game.positions, payload.move)
    except rules.Illegal as error:
        raise IllegalMove(_("{move} is no legal move here", move=payload.move)) from error
    left = game.left_s(colour, context.at) + game.increment
    return msgspec.structs.replace(
        game,
        fen=made.fen,
        moves=[*game.moves, payload.move],
        san=[*game.san, made.san],
        positions=made.positions,
        white_s=left if colour == "white" else game.white_s,
        black_s=left if colour == "black" else game.black_s,
        clock_at=context.at,
        # A move declines the other side's offer; one's own stays until then.
        draw=game.draw if game.draw == colour else None,
        result=made.result,
        reason=made.reason,
    )


def draw(game: Chess, payload: ChessDraw, author: int, context: Context) -> Chess:
    """Offer a draw, or decline the other side's."""
    colour = _playing(game, author, context)
    if payload.offered:
        return msgspec.structs.replace(game, draw=colour)
    if game.draw != rules.other(colour):
        raise NoSuchTarget(_("the other side offers no draw"))
    return msgspec.structs.replace(game, draw=None)


def end(game: Chess, payload: ChessEnded, author: int, context: Context) -> Chess:
    """End the game, or an offer."""
    if payload.why in {"time", "expired", "over"}:
        return _end_by_server(game, payload.why, context)
    if game.black is None and not game.result and payload.why == "resign":
        return _end_offer(game, author)
    colour = _playing(game, author, context)
    if payload.why == "draw":
        if game.draw != rules.other(colour):
            raise NoSuchTarget(_("the other side offers no draw"))
        return _ended(game, rules.DRAW, "agreement", context.at)
    return _ended(game, rules.win_of(rules.other(colour)), "resignation", context.at)


def _end_by_server(game: Chess, why: Reason, context: Context) -> Chess:
    if not context.by_server:
        raise Forbidden(_("only the server ends a game by time"))
    if why == "over" and game.result and not game.closed:
        return msgspec.structs.replace(game, closed=True)
    if why == "expired" and game.black is None and not game.result:
        return _ended(game, rules.NONE, "expired", context.at)
    flag = game.flag_at()
    if why == "time" and flag is not None and context.at >= flag:
        return _ended(game, rules.on_flag(game.fen), "time", context.at)
    raise Closed(_("the game goes on"))


def _end_offer(game: Chess, author: int) -> Chess:
    if author not in {game.white.id, game.opponent}:
        raise Forbidden(_("the offer is for another person"))
    reason = "cancelled" if author == game.white.id else "declined"
    return msgspec.structs.replace(game, result=rules.NONE, reason=reason, closed=True, expires=None)


def _ended(game: Chess, result: str, reason: str, at: datetime) -> Chess:
    return msgspec.structs.replace(
        game,
        white_s=max(0.0, game.left_s("white", at)),
        black_s=max(0.0, game.left_s("black", at)),
        clock_at=at if game.black else None,
        draw=None,
        result=result,
        reason=reason,
        expires=None,
        closed=True,
    )


def _playing(game: Chess, author: int, context: Context) -> str:
    """Return the side that the author plays in a running game.

    Raises Forbidden, or Closed, also between the fall of a flag and the server's end of the game.
    """
    colour = game.colour_of(author)
    if colour is None:
        raise Forbidden(_("you do not play in this game"))
    if game.turn is None:
        raise Closed(_("the game has ended") if game.result else _("the game has not begun"))
    if game.left_s(game.turn, context.at) <= 0:
        raise Closed(_("your time is up") if game.turn == colour else _("the game has ended"))
    return colour


def due(game: Chess) -> datetime | None:
    """Return when the server has to act next; None if it need not.

    It acts at once after a move that ends the game, when a flag falls, and when an offer expires.
    """
    if game.result:
        return None if game.closed else game.clock_at
    return game.expires if game.black is None else game.flag_at()


def on_due(game: Chess, now: datetime) -> ChessEnded | None:
    if game.result:
        return None if game.closed else ChessEnded("over")
    return ChessEnded("expired" if game.black is None else "time")


def renamed(game: Chess, user: int, name: str) -> Chess:
    """Name a player anew."""
    white, black = ((Player(user, name) if one and one.id == user else one) for one in (game.white, game.black))
    return msgspec.structs.replace(game, white=white, black=black)


CHESS = EventKind(payload=Chess, listed=True, counts=True, public=shown, wire=ChessState, due=due, on_due=on_due, renamed=renamed)
ACCEPTED = EventKind(payload=ChessAccepted, amends=Chess, apply=accept)
MOVED = EventKind(payload=ChessMoved, amends=Chess, apply=move, public=lambda moved: {"move": moved.move}, wire=ChessMoved)
DRAW = EventKind(payload=ChessDraw, amends=Chess, apply=draw, public=lambda asked: {"offered": asked.offered}, wire=ChessDraw)
ENDED = EventKind(payload=ChessEnded, amends=Chess, apply=end)
