"""The flooder's process, started by bench/flood.py.

Its work must not delay the measured people.

    python -m bench.flooder SPECIFICATION < pipe

It floods until its input ends and prints the number of each answer as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from contextlib import AsyncExitStack, suppress
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from bench import floods
from bench.floods import World

# Concurrent calls.
CALLS = 24
SOCKETS = 20
# The measured people share its core, and their answers must be read first.
NICE = 10
# Before a refused or closed socket is opened again.
PAUSE_S = 0.05


def main() -> None:
    os.nice(NICE)
    # In the first line; the end of the input ends the flood. The document is longer than an argument may be.
    specification = json.loads(sys.stdin.readline())
    print(json.dumps(asyncio.run(_flood(specification["name"], World(**specification["world"]), specification["document"]))))


async def _flood(name: str, world: World, document: dict[str, Any]) -> dict[str, int]:
    answers: Counter[str] = Counter()
    async with AsyncExitStack() as exits:
        calls, frames = floods.calls(document), floods.frames()
        tasks: list[asyncio.Task[None]] = []
        if name in calls:
            limits = httpx.Limits(max_connections=CALLS)
            http = await exits.enter_async_context(httpx.AsyncClient(base_url=world.url, limits=limits, timeout=30))
            tasks = [asyncio.create_task(_call(http, world, name, calls[name], answers)) for _ in range(CALLS)]
        elif name in frames:
            kind, fields = frames[name]
            tasks = [asyncio.create_task(_send(world, kind, fields, answers)) for _ in range(SOCKETS)]
        elif name == floods.HANDSHAKES:
            tasks = [asyncio.create_task(_shake_hands(world, answers)) for _ in range(SOCKETS)]
        print("flooding", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                answers[f"failed: {result!r}"] += 1
    return answers


async def _call(http: httpx.AsyncClient, world: World, name: str, call: floods.Call, answers: Counter[str]) -> None:
    token = world.spent if name == "DELETE /api/session" else world.token
    credentials = {"Cookie": f"sessionid={world.session}"} if call.path in floods.PAGES else {"Authorization": f"Token {token}"}
    while True:
        body = call.body(world) if call.body else None
        address = floods.address_of(call, world)
        headers = credentials | {"Hubbub-Stream": "nobody.nothing"}
        # A stream has no end: what opening it costs is over with its headers.
        form = {"file": (body.name, body.content)} if isinstance(body, floods.Upload) else None
        sent: dict[str, Any] = {"files": form} if form else {"json": body}
        async with http.stream(call.method, address, params=call.query, headers=headers, **sent) as answer:
            if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                await answer.aread()
        answers[str(answer.status_code)] += 1


async def _send(world: World, kind: str, fields: floods.Fields, answers: Counter[str]) -> None:
    while True:
        with suppress(InvalidHandshake):
            async with _socket(world) as socket:
                try:
                    await _ask(socket, 0, {"type": "room.join", "room": world.room})
                    for number in range(1, sys.maxsize):
                        frame = {"type": kind, "id": number} | fields(world)
                        if kind in floods.UNANSWERED:
                            await socket.send(json.dumps(frame))
                            frame = {"type": "ping"}
                        answer = await _ask(socket, number, frame)
                        answers[answer.get("code") or answer["type"]] += 1
                except ConnectionClosed as closed:
                    answers[f"closed {closed.rcvd.code if closed.rcvd else ''}"] += 1
        await asyncio.sleep(PAUSE_S)


async def _shake_hands(world: World, answers: Counter[str]) -> None:
    while True:
        try:
            async with _socket(world) as socket:
                answers[json.loads(await socket.recv())["type"]] += 1
        except (ConnectionClosed, InvalidHandshake) as refusal:
            answers[type(refusal).__name__] += 1


def _socket(world: World) -> connect:
    address = world.url.replace("http://", "ws://") + "/ws/"
    return connect(address, additional_headers={"Authorization": f"Token {world.token}"}, max_queue=None)


async def _ask(socket: ClientConnection, number: int, frame: dict[str, Any]) -> dict[str, Any]:
    await socket.send(json.dumps(frame | {"id": number}))
    while True:
        answer: dict[str, Any] = json.loads(await socket.recv())
        if answer.get("re") == number:
            return answer


if __name__ == "__main__":
    main()
