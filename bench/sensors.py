"""Measure how many readings of sensors a second are stored.

It also measures how much later a chat's messages arrive meanwhile:

    PYTHONPATH=app:. .venv/bin/python -m bench.sensors --workers 2 --seconds 10

It starts a Postgres, a Redis and a server of its own, on the cores that this process may use, with the load beside them. Each
device pushes `--batch` readings of `--sensors` sensors, and the next ones once these are stored. The devices are a process of
their own and push one after the other, so that the chat's times hold none of their work. The chat is measured `--rounds` times
alone and as often beside the devices, in turn. It also prints the share of a core that each part takes.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bench import cpu

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from tests.support.chat_client import Account, ChatClient

# Messages a second of the chat beside it.
CHAT_PER_S = 20


def main() -> None:
    options = _options()
    os.environ["HUBBUB_TEST_PROFILE"] = "postgres"
    from tests.support.profile import profile  # noqa: PLC0415  # starts Postgres and Redis
    from tests.support.server import Server  # noqa: PLC0415

    limits = dict.fromkeys(("LIMIT_READINGS_PER_S", "LIMIT_MESSAGES_PER_S", "LIMIT_CALLS_PER_S"), "0")
    with ExitStack() as exits:
        exits.callback(profile.exits.close)
        server = Server(profile, limits | {"WEB_CONCURRENCY": str(options.workers)})
        exits.callback(server.close)
        server.start()
        asyncio.run(_measure(server.base_url, server.ws_url(), options))


async def _measure(base_url: str, ws_url: str, options: argparse.Namespace) -> None:
    from tests.support.chat_client import ChatClient, create_room, sign_up  # noqa: PLC0415

    ada, bob = await sign_up(base_url), await sign_up(base_url)
    talk, data = await create_room(base_url, ada), await create_room(base_url, ada)
    ours, theirs = multiprocessing.Pipe()
    devices = multiprocessing.get_context("fork").Process(target=_devices, args=(theirs, ws_url, ada, data, options), daemon=True)
    devices.start()
    speaker, listener = ChatClient(ws_url, ada), ChatClient(ws_url, bob)
    for chat in (speaker, listener):
        await chat.open()
    await speaker.join(talk)
    await listener.join(talk)
    alone: list[float] = []
    beside: list[float] = []
    stored = 0
    for number in range(options.rounds):
        with _processor(f"alone, round {number + 1}"):
            alone += await _chat(speaker, listener, talk, options.seconds)
        ours.send(time.monotonic() + options.seconds)
        with _processor(f"beside, round {number + 1}"):
            beside += await _chat(speaker, listener, talk, options.seconds)
        stored += await asyncio.to_thread(ours.recv)
    ours.send(None)
    devices.join(timeout=10)
    for chat in (speaker, listener):
        await chat.close()
    seconds = options.seconds * options.rounds
    print(f"{stored / seconds:,.0f} readings/s stored by {options.workers} workers, {options.devices} devices")
    for name, times in (("alone", alone), ("beside", beside)):
        parts = ", ".join(f"p{part * 100:g} {_part(times, part):.1f} ms" for part in (0.5, 0.9, 0.99))
        print(f"chat {name}: {parts}, {len(times)} messages")
    print(f"p99 moves by {_part(beside, 0.99) / _part(alone, 0.99):.2f}")


@contextmanager
def _processor(phase: str) -> Iterator[None]:
    """Print the share of a core that each kind of process takes meanwhile."""
    before, begun = _used(), time.monotonic()
    yield
    took = time.monotonic() - begun
    parts = ", ".join(f"{name} {(used - before.get(name, 0.0)) / took:.2f}" for name, used in sorted(_used().items()))
    print(f"cores, {phase}: {parts}")


def _used() -> dict[str, float]:
    """Return the processor seconds of this process and its children, by program."""
    found: dict[str, float] = {}
    for pid in _started():
        with suppress(OSError):
            name = Path(f"/proc/{pid}/comm").read_text().strip()
            kind = "load" if pid == os.getpid() else {"python": "web", "gunicorn": "web"}.get(name, name)
            found[kind] = found.get(kind, 0.0) + cpu.seconds([pid])
    return found


def _started() -> list[int]:
    """Return this process and all below it."""
    children: dict[int, list[int]] = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = int(process.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(process.name))
    found = [os.getpid()]
    for pid in found:
        found += children.get(pid, [])
    return found


def _devices(pipe: Connection, ws_url: str, owner: Account, room: str, options: argparse.Namespace) -> None:
    """Push until each time that comes through the pipe; end at None.

    Answer each time with the number of readings stored.
    """

    async def run() -> None:
        from tests.support.chat_client import ChatClient  # noqa: PLC0415

        chats = [ChatClient(ws_url, owner) for _ in range(options.devices)]
        for chat in chats:
            await chat.open()
        while (stop := await asyncio.to_thread(pipe.recv)) is not None:
            pushed = await asyncio.gather(*(_push(chat, room, number, stop, options) for number, chat in enumerate(chats)))
            pipe.send(sum(pushed))
        for chat in chats:
            await chat.close()

    asyncio.run(run())


async def _push(chat: ChatClient, room: str, device: int, stop: float, options: argparse.Namespace) -> int:
    stored = 0
    pause = options.batch * options.devices / options.rate if options.rate else 0.0
    # Devices push one after the other, as those of several places do.
    due = time.monotonic() + device * pause / options.devices
    await asyncio.sleep(max(0.0, due - time.monotonic()))
    while time.monotonic() < stop:
        now = time.time()
        readings = [
            {"sensor_id": f"s{device}-{number % options.sensors}", "value": math.sin(now + number)}
            for number in range(options.batch)
        ]
        stored += (await chat.request("sensor.push", room=room, readings=readings, timeout=10))["accepted"]
        due += pause
        await asyncio.sleep(max(0.0, due - time.monotonic()))
    return stored


async def _chat(speaker: ChatClient, listener: ChatClient, room: str, seconds: float) -> list[float]:
    """Send messages for `seconds`; return their delays to the listener.

    The delays are in milliseconds.
    """
    times, stop = [], time.monotonic() + seconds
    while (begun := time.monotonic()) < stop:
        sent = await speaker.send(room, "x")
        await listener.expect("message", seq=sent["seq"])
        times.append((time.monotonic() - begun) * 1_000)
        await asyncio.sleep(max(0.0, 1 / CHAT_PER_S - (time.monotonic() - begun)))
    return times


def _part(times: list[float], part: float) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * part))]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--devices", type=int, default=8)
    parser.add_argument("--sensors", type=int, default=5, help="of each device")
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--rate", type=float, default=0, help="readings a second in all; 0: as many as go")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
