"""Measure the effect of one account's flood on other people.

It times their joins and messages with and without the flood:

    HUBBUB_TEST_PROFILE=postgres PYTHONPATH=app:. .venv/bin/python -m bench.flood --rounds 5 --seconds 3 [--only members]

It starts a server with one worker and the default limits, on Postgres and Redis or (`embedded`) on SQLite, and floods each
endpoint and each frame (bench/floods.py) from a process of its own. Turns without and with the flood alternate, so that other
work of the machine affects both; the ratio is the median over all rounds. The first row floods nothing and shows the effect of
chance.
Exit code 1: a ratio is above LIMIT; 2: an endpoint or a frame has no flood.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from typing import Any, NamedTuple

import httpx
from websockets.asyncio.client import ClientConnection, connect

from bench import cpu, floods
from bench.floods import World
from tests.support.profile import profile
from tests.support.server import ROOT, Server, manage

LIMIT = 1.5
OTHERS = 8
# Between two frames of each other person.
PAUSE_S = 0.04
# From the start of a flood to the first measured frame.
SETTLE_S = 0.5
# After a flood: its last requests end, and the limits recover.
REST_S = 1.0
# Messages in the flooder's room.
PAGE = 200
# A server's default limits, which the tests' servers change. Handshakes are counted by address, including the others'.
LIMITS = {"LIMIT_SIGNUPS_PER_H": "100", "LIMIT_ROOMS_PER_H": "60", "LIMIT_HANDSHAKES_PER_S": "50", "WEB_CONCURRENCY": "1"}

FILL = """
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.conf import settings
from accounts.models import User
from rooms.models import Membership, Room
rooms = [Room(slug=f"many-{{n}}", title=f"Room {{n}}", kind="private", look=f"many-{{n}}") for n in range({rooms})]
Room.objects.bulk_create(rooms, batch_size=2000)
made = Room.objects.filter(slug__startswith="many-").values_list("id", flat=True)
Membership.objects.bulk_create([Membership(room_id=room, user_id={user}, role="owner") for room in made], batch_size=2000)
session = SessionStore()
user = User.objects.get(id={user})
session[SESSION_KEY] = str(user.pk)
session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session.create()
print(session.session_key)
"""


class Times(NamedTuple):
    joins: list[float]
    sends: list[float]


class Flood(NamedTuple):
    name: str
    world: World
    document: dict[str, Any]


class Row(NamedTuple):
    """A flood: times of joins and sends without and with it.

    Each has (p50, p99) without and with the flood in seconds, and the ratio of the p99s.
    """

    flood: str
    joins: tuple[tuple[float, float], tuple[float, float], float]
    sends: tuple[tuple[float, float], tuple[float, float], float]
    # Cores of the server during the flood.
    used: float
    answers: Counter[str]

    @property
    def worst(self) -> float:
        return max(self.joins[2], self.sends[2])

    def __str__(self) -> str:
        shown = [_compared(*figures) for figures in (self.joins, self.sends)]
        answers = ", ".join(f"{number} × {kind}" for kind, number in self.answers.most_common(3))
        return f"| `{self.flood}` | {shown[0]} | {shown[1]} | {self.used:.2f} | {answers} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--only", action="append", default=[], help="a part of the name of a flood; may be given more than once")
    options = parser.parse_args()
    document, table = _tables()
    if missing := floods.missing(document, table):
        print(f"bench/floods.py does not say how to flood {', '.join(missing)}, or floods what is gone", file=sys.stderr)
        return 2
    os.sched_setaffinity(0, {cpu.LOAD_CORE})
    chosen = [name for name in floods.names(document) if not options.only or any(part in name for part in options.only)]
    server = Server(profile, LIMITS | {"ALLOW_SEED": "1", "LOG_LEVEL": "error"})
    try:
        with cpu.on_core(cpu.SERVER_CORE):
            server.start()
        rows = asyncio.run(_measure(server, document, chosen, options.rounds, options.seconds))
    finally:
        server.close()
        profile.exits.close()
    above = [row for row in rows if row.worst > LIMIT]
    print("\n" + (f"above {LIMIT} ×: " + ", ".join(row.flood for row in above) if above else f"none is above {LIMIT} ×"))
    return 1 if above else 0


def _tables() -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Return this checkout's OpenAPI document and table of frames."""
    import django  # noqa: PLC0415 - it reads the profile's settings

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from config.api import api  # noqa: PLC0415
    from config.ports import FRAMES  # noqa: PLC0415

    document: dict[str, Any] = json.loads(json.dumps(api.get_openapi_schema(path_prefix="/api/")))
    return document, FRAMES


async def _measure(server: Server, document: dict[str, Any], chosen: list[str], rounds: int, seconds: float) -> list[Row]:
    tokens = manage("seed", str(OTHERS + 3), env=server.env, timeout=300).split()
    world = await _world(server, tokens[0], tokens[1], tokens[2])
    print("| flood | joins p50, p99 without, ms | with | ratio | sends p50, p99 without, ms | with | ratio | cores | answers |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    found = []
    async with AsyncExitStack() as exits:
        sockets = [await exits.enter_async_context(_socket(server, token)) for token in tokens[3:]]
        for name in chosen:
            found.append(await _row(server, Flood(name, world, document), sockets, rounds, seconds))
            print(found[-1], flush=True)
    return found


async def _row(server: Server, flood: Flood, sockets: list[ClientConnection], rounds: int, seconds: float) -> Row:
    quiet: list[Times] = []
    loud: list[Times] = []
    answers: Counter[str] = Counter()
    used = 0.0
    for _ in range(rounds):
        quiet.append(await _others(sockets, seconds))
        with _flooding(flood, answers):
            await asyncio.sleep(SETTLE_S)
            before = cpu.seconds(server.process.members())
            loud.append(await _others(sockets, seconds))
            used += cpu.seconds(server.process.members()) - before
        await asyncio.sleep(REST_S)
    return Row(flood.name, _held(quiet, loud, "joins"), _held(quiet, loud, "sends"), used / rounds / seconds, answers)


def _held(quiet: Sequence[Times], loud: Sequence[Times], kind: str) -> tuple[tuple[float, float], tuple[float, float], float]:
    """Return one figure of a row.

    The medians of all rounds, and the median of their ratios.
    """
    before, after = ([_percentiles(getattr(times, kind)) for times in rounds] for rounds in (quiet, loud))
    ratio = statistics.median(later[1] / earlier[1] for earlier, later in zip(before, after, strict=True))
    return _medians(before), _medians(after), ratio


def _medians(rounds: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return statistics.median(p50 for p50, _ in rounds), statistics.median(p99 for _, p99 in rounds)


def _percentiles(times: Sequence[float]) -> tuple[float, float]:
    cuts = statistics.quantiles(times, n=100)
    return cuts[49], cuts[98]


def _compared(quiet: tuple[float, float], loud: tuple[float, float], ratio: float) -> str:
    shown = [f"{1000 * p50:.1f}, {1000 * p99:.1f}" for p50, p99 in (quiet, loud)]
    return f"{shown[0]} | {shown[1]} | {ratio:.2f} ×"


async def _world(server: Server, token: str, spent: str, other: str) -> World:
    """Fill the flooder's room with a page of messages, and make the others' room."""
    async with httpx.AsyncClient(base_url=server.base_url, timeout=30) as http:
        people = []
        for one in (token, other):
            headers = {"Authorization": f"Token {one}"}
            people.append((await http.get("/api/me", headers=headers)).raise_for_status().json()["user"])
        for slug, owner in (("flooded", token), ("shared", other)):
            headers = {"Authorization": f"Token {owner}"}
            (await http.post("/api/rooms", json={"slug": slug}, headers=headers)).raise_for_status()
    code = FILL.format(rooms=floods.MANY, user=people[0]["id"])
    session = manage("shell", "-v", "0", "-c", code, env=server.env, timeout=300).strip()
    world = World(server.base_url, token, session, spent, "flooded", people[1]["id"], people[1]["name"])
    async with _socket(server, token) as socket:
        for number in range(PAGE):
            await _ask(socket, {"type": "message.send", "room": world.room, "key": f"k{number}", "text": "x" * 200})
            await asyncio.sleep(2 * PAUSE_S)
    return world


async def _others(sockets: list[ClientConnection], seconds: float) -> Times:
    """Join and write at a steady pace with each socket; return the times."""
    times = Times([], [])
    until = time.monotonic() + seconds
    await asyncio.gather(*[_one(socket, times, until) for socket in sockets])
    return times


async def _one(socket: ClientConnection, times: Times, until: float) -> None:
    while time.monotonic() < until:
        for found, frame in ((times.joins, {"type": "room.join"}), (times.sends, {"type": "message.send", "text": "hello"})):
            key = {"key": f"{time.monotonic_ns()}"} if frame["type"] == "message.send" else {}
            begun = time.perf_counter()
            answer = await _ask(socket, frame | key | {"room": "shared"})
            if answer["type"] == "error":
                raise RuntimeError(f"another person was refused: {answer}")
            found.append(time.perf_counter() - begun)
            await asyncio.sleep(PAUSE_S)


async def _ask(socket: ClientConnection, frame: dict[str, Any]) -> dict[str, Any]:
    number = time.monotonic_ns()
    await socket.send(json.dumps(frame | {"id": number}))
    while True:
        answer: dict[str, Any] = json.loads(await socket.recv())
        if answer.get("re") == number:
            return answer


def _socket(server: Server, token: str) -> connect:
    return connect(server.ws_url(), additional_headers={"Authorization": f"Token {token}"}, max_queue=None)


@contextmanager
def _flooding(flood: Flood, answers: Counter[str]) -> Iterator[None]:
    """Run a flooder in a process of its own during the block.

    Add its answers to `answers`.
    """
    command = [sys.executable, "-m", "bench.flooder"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as flooder:
        assert flooder.stdin is not None
        assert flooder.stdout is not None
        flooder.stdin.write(json.dumps({**flood._asdict(), "world": flood.world._asdict()}) + "\n")
        flooder.stdin.flush()
        flooder.stdout.readline()  # the flood has begun
        try:
            yield
        finally:
            out, _ = flooder.communicate(timeout=60)
        answers.update(json.loads(out))


if __name__ == "__main__":
    sys.exit(main())
