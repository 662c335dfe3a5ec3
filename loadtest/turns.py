"""Turns on a fixed schedule: each begins when it was due, or late, but the next one is due when it was all the same.

A user that waits for an answer before it plans its next request asks a stalled server less, and its own waiting is in no
figure. Here a stall makes turns late, and what is measured from the moment a turn was due has the waiting in it.
"""

import random
import time
from collections.abc import Iterator

import gevent


class Turns:
    """A mixin for users. `await_turn` returns when a turn was due, as a `time.perf_counter()`; measure from there."""

    _next_turn: float = 0.0

    # To override.

    def think(self) -> float:
        """Seconds between two turns, drawn anew each time."""
        return 1.0

    def over_after(self, seconds: float) -> bool:
        """Wait so many seconds, and say whether the run is over; this one leaves its end to Locust."""
        gevent.sleep(seconds)
        return False

    # To call.

    def begin_turns(self) -> None:
        """Put the first turn somewhere within the first pause; `await_turn` does it where nobody has."""
        self._next_turn = time.perf_counter() + random.random() * self.think()

    def await_turn(self) -> float | None:
        """Wait for the next turn and return when it was due, or None when the run is over."""
        if not self._next_turn:
            self.begin_turns()
        if self.over_after(max(0.0, self._next_turn - time.perf_counter())):
            return None
        return self._pass_turn()

    def overdue(self, moment: float) -> Iterator[float]:
        """Turns that were due by a moment and will not be taken any more."""
        while 0 < self._next_turn <= moment:
            yield self._pass_turn()

    def forgive(self) -> None:
        """Drop nothing, but let the next turn be due no earlier than now: the wait was the user's own doing."""
        self._next_turn = max(self._next_turn, time.perf_counter())

    def _pass_turn(self) -> float:
        due = self._next_turn
        self._next_turn = due + self.think()
        return due
