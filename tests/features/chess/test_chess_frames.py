"""/ws/: a game between two with a watcher."""

import asyncio
import secrets
from typing import Any

import httpx
import pytest

from tests.conftest import Connect, StartServer
from tests.support.api import with_token
from tests.support.chat_client import Account, ChatClient, Frame, code_of, create_room, sign_up
from tests.support.server import Server

MATE = ("f2f3", "e7e5", "g2g4", "d8h4")


async def ask(chat: ChatClient, kind: str, **fields: Any) -> Frame:
    return await chat.request(f"chess.{kind}", **({"key": secrets.token_hex(8)} | fields))


async def code(chat: ChatClient, kind: str, **fields: Any) -> str:
    return await code_of(ask(chat, kind, **fields))


async def test_game_from_offer_to_mate(server: Server, connect: Connect, ada: Account, bob: Account, room: str) -> None:
    white, black, watcher = await connect(ada), await connect(bob), await connect()
    for chat in (white, black, watcher):
        await chat.join(room)
    offered = await ask(white, "offer", room=room, seconds=60, increment=1, opponent=bob.name, key="k")
    assert (offered["type"], offered["duplicate"]) == ("stored", False)
    assert (await ask(white, "offer", room=room, seconds=60, increment=1, opponent=bob.name, key="k"))["duplicate"]
    game: Frame = {"room": room, "target": offered["seq"]}
    offer = await watcher.expect("chess")
    assert offer["white"] == {"id": ada.id, "name": ada.name}
    assert {name: offer[name] for name in ("moves", "black", "turn", "result")} == {
        "moves": [], "black": None, "turn": None, "result": None,
    }  # fmt: skip
    assert await code(watcher, "accept", **game) == "forbidden"
    assert await code(black, "move", move="e2e4", **game) == "forbidden"
    await ask(black, "accept", **game)
    started = (await watcher.expect("chess.accepted"))["state"]
    assert (started["black"]["id"], started["turn"], started["clocks"]["white"]) == (bob.id, "white", 60)
    assert await code(watcher, "move", move="e2e4", **game) == "forbidden"
    assert await code(black, "move", move="e7e5", **game) == "not_your_turn"
    assert await code(white, "move", move="e2e5", **game) == "illegal_move"
    assert await code(white, "draw", action="accept", **game) == "no_such_target"
    for number, uci in enumerate(MATE):
        await ask((white, black)[number % 2], "move", move=uci, **game)
        event = await watcher.expect("chess.moved")
        assert (event["target"], event["move"], event["state"]["moves"]) == (game["target"], uci, list(MATE[: number + 1]))
    state = (await watcher.expect("chess.ended"))["state"]
    assert (state["result"], state["reason"], state["turn"], state["legal"]) == ("0-1", "checkmate", None, [])
    assert await code(white, "resign", **game) == "closed"
    late = await connect()
    page = await late.join(room)
    assert {name: page["events"][0][name] for name in state} == state, "who comes later sees the same"
    async with with_token(server.base_url, ada) as http:
        pgn = (await http.get(f"/api/rooms/{room}/chess/{game['target']}.pgn")).text
        assert "1. f3 e5 2. g4 Qh4# 0-1" in pgn
        assert f'[White "{ada.name}"]' in pgn


async def test_draw_is_declined_and_then_agreed(connect: Connect, ada: Account, bob: Account, room: str) -> None:
    white, black, watcher = await connect(ada), await connect(bob), await connect()
    for chat in (white, black, watcher):
        await chat.join(room)
    game: Frame = {"room": room, "target": (await ask(white, "offer", room=room, seconds=60, increment=0))["seq"]}
    assert await code(white, "draw", action="offer", **game) == "closed", "the game has not begun"
    await ask(black, "accept", **game)
    for action in ("accept", "decline"):
        assert await code(black, "draw", action=action, **game) == "no_such_target"
    await ask(white, "draw", action="offer", **game)
    offered = await watcher.expect("chess.draw_offered")
    assert (offered["offered"], offered["from"]["id"], offered["state"]["draw"]) == (True, ada.id, "white")
    for action in ("accept", "decline"):
        assert await code(white, "draw", action=action, **game) == "no_such_target", "one's own offer"
    assert await code(watcher, "draw", action="accept", **game) == "forbidden"
    await ask(black, "draw", action="decline", **game)
    declined = await watcher.expect("chess.draw_offered")
    assert (declined["offered"], declined["from"]["id"], declined["state"]["draw"]) == (False, bob.id, None)
    assert await code(black, "draw", action="accept", **game) == "no_such_target"
    await ask(black, "draw", action="offer", **game)
    await ask(white, "move", move="e2e4", **game)
    assert (await watcher.expect("chess.moved"))["state"]["draw"] is None, "a move declines"
    assert await code(white, "draw", action="accept", **game) == "no_such_target"
    await ask(white, "draw", action="offer", **game)
    await ask(black, "draw", action="accept", **game)
    state = (await watcher.expect("chess.ended"))["state"]
    assert (state["result"], state["reason"], state["turn"], state["draw"]) == ("1/2-1/2", "agreement", None, None)
    assert await code(black, "move", move="e7e5", **game) == "closed"
    assert await code(black, "draw", action="offer", **game) == "closed"


@pytest.mark.parametrize(("colour", "result"), [("white", "0-1"), ("black", "1-0")])
async def test_resigning_gives_the_other_side_the_game(
    connect: Connect, ada: Account, bob: Account, room: str, colour: str, result: str
) -> None:
    white, black, watcher = await connect(ada), await connect(bob), await connect()
    for chat in (white, black, watcher):
        await chat.join(room)
    game: Frame = {"room": room, "target": (await ask(white, "offer", room=room, seconds=60, increment=0))["seq"]}
    await ask(black, "accept", **game)
    await ask(white, "move", move="e2e4", **game)
    assert await code(watcher, "resign", **game) == "forbidden"
    await ask(white if colour == "white" else black, "resign", **game)
    ended = await watcher.expect("chess.ended")
    assert ended["from"]["id"] == (ada.id if colour == "white" else bob.id)
    assert (ended["state"]["result"], ended["state"]["reason"]) == (result, "resignation")
    assert await code(white if colour == "black" else black, "resign", **game) == "closed"
    await watcher.expect_nothing("chess.ended", seconds=3)  # the server has nothing more to end


async def test_flag_falls_without_a_move(connect: Connect, ada: Account, bob: Account, room: str) -> None:
    white, black = await connect(ada), await connect(bob)
    await white.join(room)
    await black.join(room)
    game: Frame = {"room": room, "target": (await ask(white, "offer", room=room, seconds=10, increment=0))["seq"]}
    await ask(black, "accept", **game)
    ended = await black.expect("chess.ended", timeout=20)
    assert (ended["state"]["result"], ended["state"]["reason"]) == ("0-1", "time")
    assert await code(white, "move", move="e2e4", **game) == "closed"


async def test_refusals(connect: Connect, ada: Account, bob: Account, room: str) -> None:
    white, stranger = await connect(ada), await connect(bob)
    table: list[tuple[ChatClient, str, Frame, str]] = [
        (stranger, "offer", {"seconds": 60, "increment": 0}, "not_a_member"),
        (white, "offer", {"seconds": 9, "increment": 0}, "bad_frame"),
        (white, "offer", {"seconds": 60, "increment": 181}, "bad_frame"),
        (white, "offer", {"seconds": 60, "increment": 0, "opponent": ada.id}, "bad_frame"),
        (white, "offer", {"seconds": 60, "increment": 0, "opponent": bob.id}, "no_such_target"),
        (white, "offer", {"seconds": 60, "increment": 0, "opponent": "nobody-of-that-name"}, "no_such_target"),
        (white, "accept", {"target": 99}, "no_such_target"),
        (white, "draw", {"target": 1, "action": "steal"}, "bad_frame"),
        (white, "move", {"target": 1, "move": "e2e4e5e6e7"}, "bad_frame"),
    ]
    for chat, kind, fields, expected in table:
        assert await code(chat, kind, room=room, **fields) == expected, (kind, fields)
    seq = (await white.send(room, "no game"))["seq"]
    assert await code(white, "move", room=room, target=seq, move="e2e4") == "no_such_target"


async def test_racing_answers_begin_one_game(connect: Connect, ada: Account, room: str) -> None:
    white, *others = await connect(ada), await connect(), await connect(), await connect()
    for chat in others:
        await chat.join(room)
    game: Frame = {"room": room, "target": (await ask(white, "offer", room=room, seconds=60, increment=0))["seq"]}
    codes = await asyncio.gather(*(code(chat, "accept", **game) for chat in others))
    assert sorted(codes) == ["", "closed", "closed"]


async def test_game_survives_a_killed_server(start_server: StartServer) -> None:
    """State and clocks come from the log; a flag that fell meanwhile is acted on."""
    server = start_server()
    ada, bob = await sign_up(server.base_url), await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    async with ChatClient(server.ws_url(), ada) as white, ChatClient(server.ws_url(), bob) as black:
        await black.join(room)
        games = []
        for seconds in (600, 10):
            game: Frame = {"room": room, "target": (await ask(white, "offer", room=room, seconds=seconds, increment=0))["seq"]}
            await ask(black, "accept", **game)
            await ask(white, "move", move="e2e4", **game)
            games.append(game)
        server.kill()
    server.start()
    async with ChatClient(server.ws_url(), ada) as white, ChatClient(server.ws_url(), bob) as black:
        await black.join(room)
        assert await code(white, "move", move="d2d4", **games[0]) == "not_your_turn"
        await ask(black, "move", move="e7e5", **games[0])
        moved = (await black.expect("chess.moved"))["state"]
        assert moved["moves"] == ["e2e4", "e7e5"]
        ended = await black.expect("chess.ended", target=games[1]["target"], timeout=20)
        assert (ended["state"]["result"], ended["state"]["reason"]) == ("1-0", "time")


async def test_blocked_person_does_not_move(server: Server, connect: Connect, ada: Account, bob: Account) -> None:
    white, black = await connect(ada), await connect(bob)
    room = (await white.send_to(bob.id, "a game?"))["room"]
    game: Frame = {"room": room, "target": (await ask(black, "offer", room=room, seconds=60, increment=0))["seq"]}
    await ask(white, "accept", **game)
    async with with_token(server.base_url, ada) as http:
        assert (await http.post("/api/blocks", json={"user": bob.id})).status_code in {200, 201, 204}
    assert await code(black, "move", move="e2e4", **game) == "forbidden"


async def test_server_starts_without_chess(start_server: StartServer) -> None:
    server = start_server(FEATURES_OFF="chess")
    ada = await sign_up(server.base_url)
    async with ChatClient(server.ws_url(), ada) as chat:
        assert "chess" not in chat.hello["features"]
        assert await code(chat, "accept", room="lobby", target=1) == "unknown_type"


@pytest.mark.parametrize("path", ["chess/1.pgn", "notes/1.md"])
async def test_files_are_for_members(server: Server, connect: Connect, ada: Account, bob: Account, room: str, path: str) -> None:
    chat = await connect(ada)
    await (ask(chat, "offer", room=room, seconds=60, increment=0) if "chess" in path else
           chat.request("note.create", room=room, title="t", key="k"))  # fmt: skip
    for account, expected in ((ada, 200), (bob, 403)):
        async with with_token(server.base_url, account) as http:
            assert (await http.get(f"/api/rooms/{room}/{path}")).status_code == expected
    async with httpx.AsyncClient(base_url=server.base_url) as http:
        assert (await http.get(f"/api/rooms/{room}/{path}")).status_code == 401


async def test_key_is_a_duplicate_after_the_opponent_left(server: Server, connect: Connect, ada: Account, bob: Account) -> None:
    white, black = await connect(ada), await connect(bob)
    room = await create_room(server.base_url, ada)
    await black.join(room)
    offer = {"room": room, "seconds": 60, "increment": 0, "opponent": bob.id, "key": "once"}
    first = await ask(white, "offer", **offer)
    async with with_token(server.base_url, bob) as http:
        assert (await http.delete(f"/api/rooms/{room}/members/{bob.id}")).status_code == 204
    again = await ask(white, "offer", **offer)
    assert again == {**first, "re": again["re"], "duplicate": True}
    assert await code(white, "offer", **offer | {"key": "another"}) == "no_such_target"
