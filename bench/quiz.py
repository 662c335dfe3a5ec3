"""`python -m bench.quiz`: measure 500 players of one quiz in one room.

They play on real Postgres and Redis. Prints how long answers waited for their acknowledgement, how large their events are, and
the server's processor time for them.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field

import httpx
from websockets.asyncio.client import ClientConnection, connect

from bench import cpu, servers
from tests.support.profile import profile
from tests.support.services import Postgres, Redis, missing_services

PLAYERS = 500
QUESTIONS = 3
SECONDS = 10
# Everybody answers within this time after the question.
THINK_S = 4.0
ROOM = "quiz"
QUIZ = {
    "title": "Bench",
    "questions": [{"text": "Which?", "choices": ["a", "b", "c", "d"], "right": 0, "seconds": SECONDS}] * QUESTIONS,
}


@dataclass
class Seen:
    waits_ms: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    answered: int = 0
    bytes: int = 0
    ended: int = 0


async def play(socket: ClientConnection, target: int, seen: Seen) -> None:
    """Answer each question once; return when the quiz has ended."""
    sent: dict[int, float] = {}
    answers: set[asyncio.Task[None]] = set()

    async def answer(question: int) -> None:
        await asyncio.sleep(random.uniform(0, THINK_S))
        frame = {"room": ROOM, "key": f"q{question}", "target": target, "question": question, "choice": random.randrange(4)}
        sent[question] = time.perf_counter()
        await socket.send(json.dumps({"type": "quiz.answer", "id": question, **frame}))

    async for text in socket:
        assert isinstance(text, str)
        if text.startswith('{"type":"quiz.answered"'):
            seen.answered += 1
            seen.bytes += len(text)
        elif text.startswith('{"type":"quiz.asked"'):
            answers.add(asyncio.create_task(answer(json.loads(text)["question"])))
        elif '"type":"stored"' in text:
            seen.waits_ms.append(1_000 * (time.perf_counter() - sent[json.loads(text)["re"]]))
        elif '"type":"error"' in text:
            seen.refused.append(text)
        elif text.startswith('{"type":"quiz.ended"'):
            seen.ended += 1
            return


async def ask(socket: ClientConnection, kind: str, **fields: object) -> dict[str, object]:
    await socket.send(json.dumps({"type": kind, "id": "ask", **fields}))
    async for text in socket:
        reply: dict[str, object] = json.loads(text)
        if reply.get("re") == "ask":
            return reply
    raise ConnectionError


async def measure(product: servers.Product, tokens: list[str]) -> Seen:
    url, seen = product.url.replace("http", "ws", 1) + "/ws/", Seen()
    sockets = []
    for token in tokens:
        socket = await connect(url, additional_headers={"Authorization": f"Token {token}"}, compression=None, max_size=None)
        await ask(socket, "room.join", room=ROOM)
        sockets.append(socket)
    host, *players = sockets
    target = int(str((await ask(host, "quiz.create", room=ROOM, key="quiz", **QUIZ))["seq"]))
    playing = [asyncio.create_task(play(socket, target, seen)) for socket in players]
    await ask(host, "quiz.start", room=ROOM, key="start", target=target)
    await asyncio.gather(*playing)
    for socket in sockets:
        await socket.close()
    return seen


def main() -> int:
    if lacking := missing_services():
        print("\n".join(lacking), file=sys.stderr)
        return 2
    servers.allow_files()
    os.sched_setaffinity(0, {cpu.LOAD_CORE})
    with ExitStack() as exits:
        exits.callback(profile.exits.close)
        product = servers.Product(exits.enter_context(Postgres()), exits.enter_context(Redis()))
        exits.callback(product.close)
        tokens = product.newcomers(PLAYERS + 1)
        body = {"slug": ROOM, "title": "Quiz", "private": False}
        httpx.post(f"{product.url}/api/rooms", json=body, headers={"Authorization": f"Token {tokens[0]}"}).raise_for_status()
        before = cpu.seconds(product.pids()["server"])
        seen = asyncio.run(measure(product, tokens))
        spent = cpu.seconds(product.pids()["server"]) - before
    waits = statistics.quantiles(seen.waits_ms, n=100)
    stored = f"{len(seen.waits_ms)} of {PLAYERS * QUESTIONS} answers stored"
    print(f"{stored}, {len(seen.refused)} refused, {seen.ended} players saw the end")
    print(f"acknowledged after p50 {waits[49]:.0f} ms, p99 {waits[98]:.0f} ms")
    print(f"{seen.answered} events of answers delivered, {seen.bytes / max(1, seen.answered):.0f} bytes each")
    print(f"{1_000 * spent / max(1, len(seen.waits_ms)):.1f} ms of a core an answer in the server, joins and deliveries included")
    return 0 if len(seen.waits_ms) == PLAYERS * QUESTIONS and seen.ended == PLAYERS else 1


if __name__ == "__main__":
    sys.exit(main())
