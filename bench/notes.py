"""Measure the time from a key until every other editor's document has it.

All edit one note. The server's processor time is measured, too:

    PYTHONPATH=app:. .venv/bin/python -m bench.notes [EDITORS] [KEYS_PER_S] [SECONDS]
    python -m bench.notes http://127.0.0.1:8000 [EDITORS] [KEYS_PER_S] [SECONDS] [PID of a worker …]

Without an address it starts a server, a Postgres and a Redis of its own. The editors are pycrdt documents on sockets of their
own.
Sign-ups are counted by address: a running server needs LIMIT_SIGNUPS_PER_H lifted.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import statistics
import sys
import time
from contextlib import ExitStack
from itertools import count
from typing import Any

import httpx
from pycrdt import Doc, Text
from websockets.asyncio.client import ClientConnection, connect

from bench import cpu, servers
from tests.support.profile import profile
from tests.support.services import Postgres, Redis


class Editor:
    def __init__(self, socket: ClientConnection, room: str, note: int, sent: dict[str, float], late: list[float]) -> None:
        self.socket, self.room, self.note = socket, room, note
        # Marker of a key → when it was sent, of all editors; and the times of arrivals, in milliseconds.
        self.sent, self.late = sent, late
        self.doc: Doc[Any] = Doc()
        self.text = self.doc.get("text", type=Text)
        self._ids = count(1)

    async def ask(self, kind: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, "id": next(self._ids), "room": self.room, "note": self.note, **fields}))

    async def read(self) -> None:
        """Apply what is pushed, and note how late it is."""
        async for data in self.socket:
            frame = json.loads(data)
            if frame["type"] == "error":
                raise RuntimeError(frame)
            if frame["type"] == "note.update":
                now = time.perf_counter()
                self.doc.apply_update(base64.b64decode(frame["update"]))
                self.late.append((now - self.sent[frame["update"]]) * 1_000)

    async def type(self, keys_per_s: float, seconds: float, offset_s: float) -> None:
        await asyncio.sleep(offset_s)
        until = time.perf_counter() + seconds
        due = time.perf_counter()
        while due < until:
            before = self.doc.get_state()
            self.text.insert(len(self.text), "x")
            update = base64.b64encode(self.doc.get_update(before)).decode()
            self.sent[update] = time.perf_counter()
            await self.ask("note.update", update=update)
            due += 1 / keys_per_s
            await asyncio.sleep(max(0.0, due - time.perf_counter()))


async def run(url: str, editors: int, keys_per_s: float, seconds: float, pids: list[int]) -> dict[str, float]:
    """Let the editors type, and return the figures."""
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:
        tokens = [await _token(http) for _ in range(editors)]
    address = url.replace("http", "ws", 1) + "/ws/"
    sockets = [await connect(address, additional_headers={"Authorization": f"Token {token}"}) for token in tokens]
    note = await _note(sockets)
    sent, late = dict[str, float](), list[float]()
    all_of_them = [Editor(socket, "lobby", note, sent, late) for socket in sockets]
    for editor in all_of_them:
        await editor.ask("note.open", vector="AA==")
    reading = [asyncio.create_task(editor.read()) for editor in all_of_them]
    await asyncio.sleep(1)
    used = cpu.seconds(pids)
    begun = time.perf_counter()
    typing = (editor.type(keys_per_s, seconds, number / editors / keys_per_s) for number, editor in enumerate(all_of_them))
    await asyncio.gather(*typing)
    await asyncio.sleep(2)
    took, used = time.perf_counter() - begun, cpu.seconds(pids) - used
    for task in reading:
        task.cancel()
    failed = [task.exception() for task in reading if task.done() and not task.cancelled() and task.exception()]
    if failed:
        raise RuntimeError(failed[0])
    cuts = statistics.quantiles(late, n=1_000)
    texts = {str(editor.text) for editor in all_of_them}
    return {
        "keys": len(sent), "arrived": len(late) / (len(sent) * (editors - 1)), "equal": float(len(texts) == 1),
        "p50_ms": cuts[499], "p99_ms": cuts[989], "max_ms": max(late), "cores": used / took,
    }  # fmt: skip


async def _token(http: httpx.AsyncClient) -> str:
    answer = await http.post("/api/signup", json={"username": f"e-{secrets.token_hex(6)}", "password": secrets.token_hex(12)})
    answer.raise_for_status()
    return str(answer.json()["token"])


async def _note(sockets: list[ClientConnection]) -> int:
    """Join the lobby with every socket and make a note there."""
    for socket in sockets:
        await socket.send(json.dumps({"type": "room.join", "id": 0, "room": "lobby"}))
        while json.loads(await socket.recv())["type"] != "room.joined":
            pass
    await sockets[0].send(json.dumps({"type": "note.create", "room": "lobby", "title": "bench", "key": secrets.token_hex(8)}))
    while True:
        frame = json.loads(await sockets[0].recv())
        if frame["type"] == "stored":
            return int(frame["seq"])


def main() -> None:
    arguments = sys.argv[1:]
    with ExitStack() as exits:
        if arguments and arguments[0].startswith("http"):
            url, *numbers = arguments
            pids = [int(pid) for pid in numbers[3:]]
        else:
            exits.callback(profile.exits.close)
            product = servers.Product(exits.enter_context(Postgres()), exits.enter_context(Redis()))
            exits.callback(product.close)
            url, numbers, pids = product.url, arguments, product.process.members()
        editors, keys, seconds = (float(one) for one in [*numbers[:3], *("20", "5", "20")[len(numbers) :]])
        for name, value in asyncio.run(run(url, int(editors), keys, seconds, pids)).items():
            print(f"{name:8} {value:.3f}")


if __name__ == "__main__":
    main()
