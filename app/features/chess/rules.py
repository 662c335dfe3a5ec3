"""The rules of chess, from the package `chess`.

Nothing else imports it: its licence is the GPL, see docs/features/chess.md.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from core.lazy_module import LazyModule

if TYPE_CHECKING:
    import chess
    import chess.pgn as chess_pgn
else:
    chess, chess_pgn = LazyModule("chess"), LazyModule("chess.pgn")

START = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"
WHITE_WINS, BLACK_WINS, DRAW, NONE = "1-0", "0-1", "1/2-1/2", "*"
COLOURS = ("white", "black")


class Illegal(ValueError):
    """A move that the rules do not allow."""


class Moved(NamedTuple):
    fen: str
    san: str
    # The positions since the last move that cannot be taken back, without counters, this one included. Until such a move
    # they begin with the start.
    positions: list[str]
    # None while the game goes on.
    result: str | None
    reason: str | None


def turn_of(fen: str) -> str:
    return COLOURS[fen.split()[1] == "b"]


def other(colour: str) -> str:
    return COLOURS[colour == "white"]


def win_of(colour: str) -> str:
    return WHITE_WINS if colour == "white" else BLACK_WINS


def move(fen: str, positions: list[str], uci: str) -> Moved:
    """Make a move in UCI, such as e2e4 or e7e8q.

    Raises Illegal.
    """
    board = chess.Board(fen)
    try:
        made = board.parse_uci(uci)
    except ValueError as error:
        raise Illegal(str(error)) from error
    if not made:  # 0000 passes in UCI, and no rule allows it
        raise Illegal("a player cannot pass")
    san, before = board.san(made), board.halfmove_clock
    board.push(made)
    now = board.epd()
    if len(positions) == before:  # no move that cannot be taken back, and no start yet: of an earlier release, too
        positions = [chess.Board().epd(), *positions]
    seen = [now] if board.halfmove_clock == 0 else [*positions, now]
    return Moved(board.fen(), san, seen, *_end(board, seen))


def _end(board: chess.Board, positions: list[str]) -> tuple[str | None, str | None]:
    if board.is_checkmate():
        return win_of(other(COLOURS[not board.turn])), "checkmate"
    if board.is_stalemate():
        return DRAW, "stalemate"
    if board.is_insufficient_material():
        return DRAW, "material"
    if board.halfmove_clock >= 100:
        return DRAW, "fifty_moves"
    if positions.count(positions[-1]) >= 3:
        return DRAW, "repetition"
    return None, None


def on_flag(fen: str) -> str:
    """Return the result when the player to move runs out of time.

    It is a draw if the other side could never mate.
    """
    board = chess.Board(fen)
    if board.has_insufficient_material(not board.turn):
        return DRAW
    return win_of(other(turn_of(fen)))


def legal_moves(fen: str) -> list[str]:
    """List the moves that are allowed, in UCI."""
    return [made.uci() for made in chess.Board(fen).legal_moves]


def in_check(fen: str) -> bool:
    return chess.Board(fen).is_check()


def pgn(  # each is a header
    *, moves: list[str], white: str, black: str, result: str, date: datetime, seconds: int, increment: int, reason: str | None
) -> str:
    """Write a game as PGN."""
    game = chess_pgn.Game()
    game.headers.update(
        Event="Hubbub", Site="?", Date=f"{date:%Y.%m.%d}", Round="-", White=white, Black=black, Result=result,
        TimeControl=f"{seconds}+{increment}",
    )  # fmt: skip
    if reason:
        game.headers["Termination"] = reason
    node: chess_pgn.GameNode = game
    for uci in moves:
        node = node.add_variation(chess.Move.from_uci(uci))
    return f"{game}\n"
