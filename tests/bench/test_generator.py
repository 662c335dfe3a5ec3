"""The load generator counts deliveries, losses, doubles and percentiles correctly."""

from __future__ import annotations

import asyncio
import random
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, broadcast, serve

from bench import load
from bench.load import Client, Target
from bench.results import Figure

Spread = Callable[[set[ServerConnection], str], None]


@contextmanager
def room_server(spread: Spread) -> Iterator[Target]:
    """A server with one room that sends through `spread`, in its own thread."""
    ports: list[int] = []
    started = threading.Event()
    loop = asyncio.new_event_loop()

    async def main() -> None:
        people: set[ServerConnection] = set()

        async def member(connection: ServerConnection) -> None:
            people.add(connection)
            async for text in connection:
                spread(people, str(text))

        async with serve(member, "127.0.0.1", 0, compression=None) as server:
            ports.append(next(iter(server.sockets)).getsockname()[1])
            started.set()
            await ended.wait()

    ended = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    try:
        assert started.wait(10)
        yield Target("server", ports[0], Client(["/"], (), "{text}"), dict)
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)
        loop.close()


def measure(spread: Spread, **options: Any) -> Figure:
    with room_server(spread) as target:
        usual = {"connections": 8, "rooms": 1, "mode": "open", "rate": 100, "warmup": 0.1, "seconds": 0.5, "drain": 0.5}
        return load.run(target, **{**usual, **options})


def test_every_delivery_is_counted() -> None:
    spread = 0

    def count(people: set[ServerConnection], text: str) -> None:
        nonlocal spread
        spread += 1
        broadcast(people, text)

    figure = measure(count)
    assert figure.whole
    assert figure.sent == spread > 0
    # Both count the same half second; they differ by a message at each end and the messages under way then.
    under_way = 1 + 100 * figure.latency_ms["p999"] / 1_000
    assert figure.deliveries_per_s == pytest.approx(8 * figure.messages_per_s, abs=2 * 8 * under_way / 0.5)
    assert 0 < figure.latency_ms["p50"] <= figure.latency_ms["p99"] <= figure.latency_ms["p999"]


def test_wait_between_two_messages_is_no_latency() -> None:
    figure = measure(broadcast, rate=1, warmup=0, seconds=3)
    assert figure.latency_ms["p50"] < 500  # not the second between two messages


def test_a_planted_loss_is_found() -> None:
    turns = iter(range(1_000_000))

    def lose_some(people: set[ServerConnection], text: str) -> None:
        broadcast(people if next(turns) % 10 else set(list(people)[1:]), text)

    figure = measure(lose_some)
    assert figure.lost > 0
    assert not figure.whole


def test_refused_message_is_no_loss_and_hides_none() -> None:
    turns = iter(range(1_000_000))

    def refuse_some(people: set[ServerConnection], text: str) -> None:
        refused = next(turns) % 5 == 0
        broadcast(set(list(people)[:1]) if refused else people, '{"type":"error","code":"unavailable"}' if refused else text)

    figure = measure(refuse_some)
    assert figure.refused > 0
    assert figure.kept
    assert not figure.whole

    def refuse_and_lose(people: set[ServerConnection], text: str) -> None:
        if next(turns) % 7:
            refuse_some(people, text)

    assert measure(refuse_and_lose).lost > 0


def test_a_planted_double_is_found() -> None:
    turns = iter(range(1_000_000))

    def double_some(people: set[ServerConnection], text: str) -> None:
        broadcast(people, text)
        if next(turns) % 10 == 0:
            broadcast(set(list(people)[:1]), text)

    assert not measure(double_some).whole


def test_a_double_does_not_hide_a_loss() -> None:
    def one_twice_another_never(people: set[ServerConnection], text: str) -> None:
        first, *others = list(people)
        broadcast(set(others[1:]), text)
        broadcast({first}, text)
        broadcast({first}, text)

    assert measure(one_twice_another_never).wrong_connections >= 2


def test_too_high_rate_is_reported_as_overload() -> None:
    def drop(people: set[ServerConnection], text: str) -> None:
        return

    assert measure(drop, rate=200, seconds=8).overloaded


def test_percentiles_are_within_a_few_percent(tmp_path: Path) -> None:
    numbers = sorted(int(random.Random(7).lognormvariate(15, 2)) for _ in range(100_000))
    source, program = tmp_path / "quantiles.c", tmp_path / "quantiles"
    source.write_text(
        '#include "histogram.h"\n#include <stdio.h>\nint main(void) {\n  static struct histogram h;\n  unsigned long long n;\n'
        '  while (scanf("%llu", &n) == 1) histogram_add(&h, n);\n'
        '  printf("%llu %llu %llu\\n", (unsigned long long)histogram_quantile(&h, 0.5),\n'
        "         (unsigned long long)histogram_quantile(&h, 0.99), (unsigned long long)histogram_quantile(&h, 0.999));\n}\n"
    )
    subprocess.run(["cc", "-I", str(load.HERE / "generator"), "-o", str(program), str(source)], check=True)
    said = subprocess.run([program], input="\n".join(map(str, numbers)), capture_output=True, text=True, check=True).stdout
    for found, share in zip(map(int, said.split()), (0.5, 0.99, 0.999), strict=True):
        assert found == pytest.approx(numbers[int(share * len(numbers))], rel=0.05)
