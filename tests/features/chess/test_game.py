"""What moves, flags, draws and the end make of a game: the pure functions."""

import io
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import chess
import chess.pgn
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import FrameRefused
from core.features import Context
from features.chess import rules
from features.chess.events import (
    CHESS,
    ChessAccepted,
    ChessDraw,
    ChessEnded,
    ChessMoved,
    accept,
    draw,
    due,
    end,
    move,
    on_due,
)
from features.chess.state import Chess, Player, shown

WHITE, BLACK, WATCHER = 1, 2, 3
NOW = datetime(2026, 1, 1, tzinfo=UTC)
OFFER = Chess(60, 2, Player(WHITE, "ada"), white_s=60, black_s=60, expires=NOW + timedelta(days=1))


def context(after_s: float = 0, *, by_server: bool = False) -> Context:
    return Context(WHITE, by_server, NOW + timedelta(seconds=after_s), "bob", by_server)


def begun(offer: Chess = OFFER) -> Chess:
    return accept(offer, ChessAccepted(), BLACK, context())


def played(*moves: str, game: Chess | None = None) -> Chess:
    """Each move takes a second."""
    game = game or begun()
    for number, uci in enumerate(moves, len(game.moves) + 1):
        game = move(game, ChessMoved(uci), (BLACK, WHITE)[number % 2], context(number))
    return game


def due_now(game: Chess, now: datetime) -> ChessEnded:
    """What the server appends."""
    payload = on_due(game, now)
    assert payload is not None
    return payload


def code_of(call: Any) -> str:
    """The code of the refusal, or "" where there is none."""
    try:
        call()
    except FrameRefused as refused:
        return refused.code
    return ""


def test_clocks_run_for_the_side_to_move() -> None:
    game = played("e2e4", "e7e5")
    assert (game.white_s, game.black_s, game.turn) == (61, 61, "white"), "a second each, and two more for a move"
    assert game.flag_at() == NOW + timedelta(seconds=2 + 61)
    late = context(64)
    assert code_of(lambda: move(game, ChessMoved("g1f3"), WHITE, late)) == "closed"
    assert due(game) == game.flag_at()
    fallen = end(game, due_now(game, late.at), WHITE, context(64, by_server=True))
    assert (fallen.result, fallen.reason, fallen.white_s, fallen.turn) == ("0-1", "time", 0, None)
    assert due(fallen) is None


@pytest.mark.parametrize(
    ("author", "uci", "code"),
    [
        (WHITE, "e2e4", ""),
        (BLACK, "e7e5", "not_your_turn"),
        (WATCHER, "e2e4", "forbidden"),
        (WHITE, "e2e5", "illegal_move"),
        (WHITE, "e7e5", "illegal_move"),
        (WHITE, "0000", "illegal_move"),
        (WHITE, "e2e4q", "illegal_move"),
        (WHITE, "", "illegal_move"),
        (WHITE, "P@e4", "illegal_move"),
    ],
)
def test_only_the_side_to_move_makes_legal_moves(author: int, uci: str, code: str) -> None:
    assert code_of(lambda: move(begun(), ChessMoved(uci), author, context(1))) == code


def test_nothing_happens_before_and_after_a_game() -> None:
    ended = end(begun(), ChessEnded("resign"), WHITE, context())
    assert (ended.result, ended.reason) == ("0-1", "resignation")
    for game in (OFFER, ended):
        assert code_of(lambda game=game: move(game, ChessMoved("e2e4"), WHITE, context())) == "closed"
        assert code_of(lambda game=game: draw(game, ChessDraw(True), WHITE, context())) == "closed"
    assert code_of(lambda: end(ended, ChessEnded("resign"), WHITE, context())) == "closed"
    assert code_of(lambda: accept(ended, ChessAccepted(), WATCHER, context())) == "closed"


def test_offer_is_for_those_it_names() -> None:
    assert code_of(lambda: accept(OFFER, ChessAccepted(), WHITE, context())) == "forbidden"
    assert code_of(lambda: accept(begun(), ChessAccepted(), WATCHER, context())) == "closed"
    named = msgspec.structs.replace(OFFER, opponent=BLACK)
    assert code_of(lambda: accept(named, ChessAccepted(), WATCHER, context())) == "forbidden"
    assert code_of(lambda: end(named, ChessEnded("resign"), WATCHER, context())) == "forbidden"
    assert end(named, ChessEnded("resign"), BLACK, context()).reason == "declined"
    assert end(named, ChessEnded("resign"), WHITE, context()).reason == "cancelled"
    assert due(OFFER) == OFFER.expires
    assert end(OFFER, ChessEnded("expired"), WHITE, context(by_server=True)).result == "*"


def test_draw_needs_the_other_side() -> None:
    game = draw(played("e2e4"), ChessDraw(True), WHITE, context(2))
    assert game.draw == "white"
    assert code_of(lambda: end(game, ChessEnded("draw"), WHITE, context(2))) == "no_such_target"
    assert code_of(lambda: draw(game, ChessDraw(False), WHITE, context(2))) == "no_such_target"
    assert code_of(lambda: draw(game, ChessDraw(True), WATCHER, context(2))) == "forbidden"
    assert end(game, ChessEnded("draw"), BLACK, context(2)).result == "1/2-1/2"
    assert draw(game, ChessDraw(False), BLACK, context(2)).draw is None
    assert played("e7e5", game=game).draw is None, "a move declines"


def test_people_cannot_end_a_game_by_time() -> None:
    game = begun()
    assert code_of(lambda: end(game, ChessEnded("time"), BLACK, context(99))) == "forbidden"
    assert code_of(lambda: end(game, ChessEnded("time"), WHITE, context(59, by_server=True))) == "closed"


def test_fallen_flag_leaves_no_draw_and_no_resignation() -> None:
    """The server writes the end of the game a moment after the flag has fallen."""
    game, late = draw(begun(), ChessDraw(True), WHITE, context(59)), context(60)
    for author in (WHITE, BLACK):
        for why in ("draw", "resign"):
            assert code_of(lambda author=author, why=why: end(game, ChessEnded(why), author, late)) == "closed"
        for offered in (True, False):
            assert code_of(lambda author=author, offered=offered: draw(game, ChessDraw(offered), author, late)) == "closed"
        assert code_of(lambda author=author: move(game, ChessMoved("e2e4"), author, late)) == "closed"
    assert code_of(lambda: draw(game, ChessDraw(True), WATCHER, late)) == "forbidden"
    assert end(game, due_now(game, late.at), WHITE, context(60, by_server=True)).reason == "time"
    assert end(game, ChessEnded("draw"), BLACK, context(59)).result == "1/2-1/2", "in time"


def test_mate_ends_the_game_and_the_server_says_so_once() -> None:
    game = played("f2f3", "e7e5", "g2g4", "d8h4")
    assert (game.result, game.reason, game.turn, game.closed) == ("0-1", "checkmate", None, False)
    assert due(game) == game.clock_at
    over = end(game, due_now(game, NOW), WHITE, context(5, by_server=True))
    assert (over.result, over.closed, due(over)) == ("0-1", True, None)


def test_third_repetition_is_a_draw() -> None:
    shuffle = ("g1f3", "g8f6", "f3g1", "f6g8")
    game = played("e2e4", "e7e5", *shuffle, *shuffle[:3])
    assert game.result is None
    assert played(shuffle[3], game=game).reason == "repetition"


def test_start_counts_for_the_third_repetition() -> None:
    shuffle = ("g1f3", "g8f6", "f3g1", "f6g8")
    game = played(*shuffle, *shuffle[:3])
    assert game.result is None
    assert (played(shuffle[3], game=game).result, played(shuffle[3], game=game).reason) == ("1/2-1/2", "repetition")


def test_game_of_an_earlier_release_counts_its_start() -> None:
    """Its stored positions begin behind the first move."""
    shuffle = ("g1f3", "g8f6", "f3g1", "f6g8")
    game = played(*shuffle, *shuffle[:3])
    old = msgspec.structs.replace(game, positions=game.positions[1:])
    assert played(shuffle[3], game=old).reason == "repetition"
    ended = msgspec.structs.replace(old, result="1-0", reason="resignation")
    assert code_of(lambda: played(shuffle[3], game=ended)) == "closed"
    other = played("e2e4", "e7e5", *shuffle, game=msgspec.structs.replace(begun()))
    assert other.result is None
    assert len(other.positions) == 5, "a move that cannot be taken back forgets the start"


def test_flag_without_material_to_mate_is_a_draw() -> None:
    bare = msgspec.structs.replace(begun(), fen="8/8/4k3/8/8/4K3/4Q3/8 w - - 0 1")
    assert end(bare, ChessEnded("time"), WHITE, context(99, by_server=True)).result == "1/2-1/2"


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32))
def test_random_games_agree_with_the_rules(seed: int) -> None:
    """The game survives its form in the log, and the PGN tells the same game.

    A watcher gets the legal moves.
    """
    chance, board, game = random.Random(seed), chess.Board(), begun()
    while game.turn and len(game.moves) < 60:
        assert sorted(shown(game)["legal"]) == sorted(made.uci() for made in board.legal_moves)
        made = chance.choice(list(board.legal_moves))
        board.push(made)
        game = move(game, ChessMoved(made.uci()), WHITE if game.turn == "white" else BLACK, context(len(game.moves) / 100))
        game = msgspec.convert({"type": "chess", **(CHESS.data_of(game) or {})}, Chess)
        assert game.fen == board.fen()
    assert (game.result is None) == (board.outcome() is None) or game.reason in {"repetition", "fifty_moves"}
    text = rules.pgn(
        moves=game.moves, white="ada", black="bob", result=game.result or "*", date=NOW, seconds=60, increment=2, reason=None
    )
    read = chess.pgn.read_game(io.StringIO(text))
    assert read is not None
    assert not read.errors
    assert [made.uci() for made in read.mainline_moves()] == game.moves
