"""A game as the log stores it, and as clients get it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from features.chess import rules


class Player(msgspec.Struct, frozen=True):
    id: int
    name: str


class Chess(msgspec.Struct, frozen=True, tag="chess"):
    # Of each side's clock, and what each move adds, in seconds.
    seconds: int
    increment: int
    # The person who offers plays white.
    white: Player
    # The one who may accept; 0: anybody in the room.
    opponent: int = 0
    black: Player | None = None
    fen: str = rules.START
    # In UCI, and in algebraic notation.
    moves: list[str] = []
    san: list[str] = []
    # For repetitions; not on the wire.
    positions: list[str] = []
    # Each side's seconds left at `clock_at`; the clock of the side to move runs from then on.
    white_s: float = 0.0
    black_s: float = 0.0
    clock_at: datetime | None = None
    # The side that offers a draw.
    draw: str | None = None
    result: str | None = None
    reason: str | None = None
    # When the offer ends unless it was accepted.
    expires: datetime | None = None
    # Whether the event chess.ended was written. A move that ends the game comes before it.
    closed: bool = False

    @property
    def turn(self) -> str | None:
        """The side to move, while the game goes on."""
        return None if self.result or self.black is None else rules.turn_of(self.fen)

    def left_s(self, colour: str, at: datetime) -> float:
        """Return a side's seconds left at a time; negative once its flag has fallen."""
        left = self.white_s if colour == "white" else self.black_s
        if self.turn == colour and self.clock_at is not None:
            left -= max(0.0, (at - self.clock_at).total_seconds())
        return left

    def flag_at(self) -> datetime | None:
        """Return when the flag of the side to move falls."""
        if self.turn is None or self.clock_at is None:
            return None
        return self.clock_at + timedelta(seconds=self.white_s if self.turn == "white" else self.black_s)

    def colour_of(self, user: int) -> str | None:
        """Return the side that a person plays."""
        if user == self.white.id:
            return "white"
        return "black" if self.black is not None and user == self.black.id else None


class Clocks(msgspec.Struct, frozen=True):
    """Seconds left of each side at `at`.

    The clock of the side to move runs from then on.
    """

    white: float
    black: float
    at: datetime | None


class ChessState(msgspec.Struct, frozen=True):
    """A game on the wire: no client needs the rules to show it."""

    fen: str
    # In UCI, and in algebraic notation.
    moves: list[str]
    san: list[str]
    white: Player
    black: Player | None
    clocks: Clocks
    turn: Literal["white", "black"] | None
    result: Literal["1-0", "0-1", "1/2-1/2", "*"] | None
    reason: str | None
    seconds: int
    increment: int
    opponent: int | None
    # The side that offers a draw.
    draw: Literal["white", "black"] | None
    check: bool
    # Legal moves in UCI.
    legal: list[str]


def shown(game: Chess) -> dict[str, Any]:
    """Return the game as sent to clients."""
    turn: Any = game.turn
    draw: Any = game.draw
    result: Any = game.result
    state = ChessState(
        fen=game.fen,
        moves=game.moves,
        san=game.san,
        white=game.white,
        black=game.black,
        clocks=Clocks(round(game.white_s, 3), round(game.black_s, 3), game.clock_at),
        turn=turn,
        result=result,
        reason=game.reason,
        seconds=game.seconds,
        increment=game.increment,
        opponent=game.opponent or None,
        draw=draw,
        check=rules.in_check(game.fen),
        legal=rules.legal_moves(game.fen) if turn else [],
    )
    fields: dict[str, Any] = msgspec.to_builtins(state)
    return fields
