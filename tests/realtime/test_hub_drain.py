"""A process hands all its sockets over within its deadline."""

from types import SimpleNamespace
from typing import Any, Self

import pytest

from core.errors import Close
from realtime.handover import Handover
from realtime.registry import Registry

pytestmark = pytest.mark.once

SPREAD_S = 2.0
SOCKETS = 400


class Clock:
    """The clock of an event loop: it advances only while tasks work or sleep."""

    def __init__(self) -> None:
        self.now = 1000.0

    def get_running_loop(self) -> Self:
        return self

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


class Dialect:
    signals = False


class Socket:
    """A socket whose close takes the process a while."""

    dialect = Dialect()

    def __init__(self, clock: Clock, cost_s: float, closed: list[tuple[float, Close]]) -> None:
        self._clock, self._cost_s, self._closed = clock, cost_s, closed

    def close_soon(self, code: Close, _reason: str) -> None:
        self._clock.now += self._cost_s
        self._closed.append((self._clock.now, code))


@pytest.mark.parametrize("cost_s", [0.0, 0.003, 0.004, 0.02])
async def test_time_of_closing_counts_towards_the_deadline(cost_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.handover.random.uniform", lambda _low, high: high)
    registry, clock = Registry(), Clock()
    closed: list[tuple[float, Close]] = []
    sockets: Any = [Socket(clock, cost_s, closed) for _ in range(SOCKETS)]
    registry.people[1] = SimpleNamespace(sockets=sockets)  # type: ignore[assignment]
    monkeypatch.setattr("realtime.handover.asyncio", clock)
    started = clock.now
    await Handover(registry).drain(SPREAD_S, hurry=lambda: False)
    assert [code for _, code in closed] == [Close.RESTART] * SOCKETS
    assert clock.now - started == pytest.approx(max(SPREAD_S, SOCKETS * cost_s)), "the sockets were closed one after the other"
    half = next(moment for moment, _ in closed[SOCKETS // 2 :])
    assert half - started == pytest.approx(max(SPREAD_S, SOCKETS * cost_s) / 2, rel=0.1), "spread over the whole time"
