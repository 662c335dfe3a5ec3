"""What others notice while one account floods an endpoint or a frame: their joins and messages with and without the flood.

    PYTHONPATH=app:. .venv/bin/python bench/flood.py --rounds 5 --seconds 3

It starts a server on a Postgres and a Redis of its own, with the default limits for the flooder. Rounds without and with the
flood take turns, so that what else the machine does meets both.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import secrets
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

import httpx
import psycopg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from bench.servers import Product
from tests.support.services import Postgres, Redis

OTHERS = 8
CALLS = 24
SOCKETS = 20
ROOMS = 10_000
PACE_S = 0.04
#: The server's own limits, which the other benchmarks lift.
LIMITS = {"LIMIT_CALLS_PER_S": "50", "LIMIT_ROOMS_PER_H": "60", "LIMIT_MESSAGES_PER_S": "20", "LIMIT_SOCKETS_PER_USER": "20"}

FILL = """
    WITH made AS (
        INSERT INTO rooms_room (slug, title, kind, head, created_at, look, closed)
        SELECT 'many-' || n, 'Room ' || n, 'private', 0, now(), 'many-' || n, false FROM generate_series(1, %(rooms)s) AS n
        RETURNING id
    )
    INSERT INTO rooms_membership (room_id, user_id, role, upto, joined_at)
    SELECT made.id, accounts_apitoken.user_id, 'owner', 0, now() FROM made, accounts_apitoken
    WHERE accounts_apitoken.id = (SELECT min(id) + 1 FROM accounts_apitoken)
"""


class Times(NamedTuple):
    joins: list[float]
    sends: list[float]


class World(NamedTuple):
    url: str
    flooder: str
    own: str
    shared: str


Call = Callable[[httpx.AsyncClient, World], Awaitable[httpx.Response]]
Frame = Callable[[World], dict[str, Any]]

CALLED: dict[str, Call] = {
    "GET /api/rooms": lambda http, _: http.get("/api/rooms"),
    "GET /api/rooms?limit=500": lambda http, _: http.get("/api/rooms", params={"limit": 500}),
    "GET /api/rooms?query=": lambda http, _: http.get("/api/rooms", params={"query": "9"}),
    "POST /api/rooms": lambda http, _: http.post("/api/rooms", json={"slug": f"new-{secrets.token_hex(6)}"}),
    "GET …/members": lambda http, world: http.get(f"/api/rooms/{world.own}/members"),
    "GET …/messages": lambda http, world: http.get(f"/api/rooms/{world.own}/messages", params={"limit": 200}),
    "GET /api/users": lambda http, _: http.get("/api/users", params={"query": "seed"}),
    "POST /api/tickets": lambda http, _: http.post("/api/tickets"),
}
SENT: dict[str, Frame] = {
    "room.join": lambda world: {"type": "room.join", "room": world.own, "after": 0},
    "history": lambda world: {"type": "history", "room": world.own, "before": 2**40, "limit": 200},
    "read": lambda world: {"type": "read", "room": world.own, "upto": 1},
    "message.send": lambda world: {"type": "message.send", "room": world.own, "key": secrets.token_hex(8), "text": "flood"},
    "message.send to": lambda _: {"type": "message.send", "to": "nobody", "key": secrets.token_hex(8), "text": "flood"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--only", help="a part of the name of a flood")
    options = parser.parse_args()
    with Postgres() as postgres, Redis() as redis:
        product = Product(postgres, redis, env=LIMITS)
        try:
            with psycopg.connect(product.database_url) as connection:
                connection.execute(FILL, {"rooms": ROOMS})
            asyncio.run(_measure(product, options))
        finally:
            product.close()


async def _measure(product: Product, options: argparse.Namespace) -> None:
    floods = [name for name in (*CALLED, *SENT) if not options.only or options.only in name]
    world = await _world(product)
    print("| flood | joins p99 without, ms | with | ratio | sends p99 without, ms | with | ratio | answers |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in floods:
        quiet, loud = Times([], []), Times([], [])
        answers: Counter[str] = Counter()
        for _ in range(options.rounds):
            await _others(product, world, quiet, options.seconds)
            async with _flooding(name, world, answers):
                await _others(product, world, loud, options.seconds)
            await asyncio.sleep(1.0)
        shown = [_compared(getattr(quiet, kind), getattr(loud, kind)) for kind in ("joins", "sends")]
        print(f"| `{name}` | {shown[0]} | {shown[1]} | {_told(answers)} |", flush=True)


def _compared(quiet: Sequence[float], loud: Sequence[float]) -> str:
    before, after = _p99(quiet), _p99(loud)
    return f"{1000 * before:.1f} | {1000 * after:.1f} | {after / before:.2f} ×"


def _p99(times: Sequence[float]) -> float:
    return statistics.quantiles(times, n=100)[98]


def _told(answers: Counter[str]) -> str:
    return ", ".join(f"{number} × {kind}" for kind, number in answers.most_common(3))


async def _world(product: Product) -> World:
    """A room of the flooder with a full page of messages, and one of the others."""
    world = World(product.url, product.tokens[1], "flooded", "shared")
    async with httpx.AsyncClient(base_url=product.url, timeout=30) as http:
        for slug, token in ((world.own, product.tokens[1]), (world.shared, product.tokens[2])):
            answer = await http.post("/api/rooms", json={"slug": slug}, headers={"Authorization": f"Token {token}"})
            answer.raise_for_status()
    async with _socket(world, product.tokens[1]) as socket:
        for number in range(200):
            await _ask(socket, {"type": "message.send", "room": world.own, "key": f"k{number}", "text": "x" * 200})
            await asyncio.sleep(PACE_S * 2)
    return world


async def _others(product: Product, world: World, times: Times, seconds: float) -> None:
    """People who join and write at a steady pace; each has a socket."""
    tokens = product.tokens[2 : 2 + OTHERS]
    async with AsyncExitStack() as exits:
        sockets = [await exits.enter_async_context(_socket(world, token)) for token in tokens]
        for socket in sockets:
            await _ask(socket, {"type": "room.join", "room": world.shared})
        until = time.monotonic() + seconds
        await asyncio.gather(*[_one(socket, world, times, until) for socket in sockets])


async def _one(socket: ClientConnection, world: World, times: Times, until: float) -> None:
    while time.monotonic() < until:
        begun = time.perf_counter()
        await _ask(socket, {"type": "room.join", "room": world.shared})
        times.joins.append(time.perf_counter() - begun)
        await asyncio.sleep(PACE_S)
        begun = time.perf_counter()
        await _ask(socket, {"type": "message.send", "room": world.shared, "key": secrets.token_hex(8), "text": "hello"})
        times.sends.append(time.perf_counter() - begun)
        await asyncio.sleep(PACE_S)


_numbers = itertools.count(1)


async def _ask(socket: ClientConnection, frame: dict[str, Any]) -> dict[str, Any]:
    number = next(_numbers)
    await socket.send(json.dumps(frame | {"id": number}))
    while True:
        answer: dict[str, Any] = json.loads(await socket.recv())
        if answer.get("re") == number:
            return answer


@asynccontextmanager
async def _socket(world: World, token: str) -> AsyncIterator[ClientConnection]:
    address = world.url.replace("http://", "ws://") + "/ws/"
    async with connect(address, additional_headers={"Authorization": f"Token {token}"}, max_queue=None) as socket:
        yield socket


@asynccontextmanager
async def _flooding(name: str, world: World, answers: Counter[str]) -> AsyncIterator[None]:
    """The flooder asks as fast as the answers come, CALLS at once, or on SOCKETS sockets."""
    async with AsyncExitStack() as exits:
        if name in CALLED:
            limits = httpx.Limits(max_connections=CALLS)
            headers = {"Authorization": f"Token {world.flooder}"}
            http = await exits.enter_async_context(
                httpx.AsyncClient(base_url=world.url, headers=headers, limits=limits, timeout=30)
            )
            flood = [asyncio.create_task(_call(http, world, CALLED[name], answers)) for _ in range(CALLS)]
        else:
            sockets = [await exits.enter_async_context(_socket(world, world.flooder)) for _ in range(SOCKETS)]
            flood = [asyncio.create_task(_send(socket, world, SENT[name], answers)) for socket in sockets]
        await asyncio.sleep(0.5)
        try:
            yield
        finally:
            for one in flood:
                one.cancel()
            await asyncio.gather(*flood, return_exceptions=True)


async def _call(http: httpx.AsyncClient, world: World, call: Call, answers: Counter[str]) -> None:
    while True:
        answers[str((await call(http, world)).status_code)] += 1


async def _send(socket: ClientConnection, world: World, frame: Frame, answers: Counter[str]) -> None:
    try:
        while True:
            answer = await _ask(socket, frame(world))
            answers[answer.get("code") or answer["type"]] += 1
    except ConnectionClosed:
        answers["closed"] += 1


if __name__ == "__main__":
    main()
