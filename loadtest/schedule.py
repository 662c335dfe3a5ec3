"""Turns on a fixed schedule: a late turn does not delay the next one's due time.

A user that waits for an answer before its next request puts less load on a stalled server, and its own waiting appears in no
figure. Here a stall makes turns late, and latencies measured from the due time include the waiting.
"""

import random
import time
from collections.abc import Iterator

import gevent


class Turns:
    """A mixin for users.

    `await_turn` returns the due time of a turn, as a `time.perf_counter()`; measure from there.
    """

    _next_turn: float = 0.0

    # To override.

    def think(self) -> float:
        """Draw the seconds between two turns."""
        return 1.0

    def over_after(self, seconds: float) -> bool:
        """Wait so many seconds; return whether the run is over.

        This default leaves the end to Locust.
        """
        gevent.sleep(seconds)
        return False

    # To call.

    def begin_turns(self) -> None:
        """Put the first turn at a random moment of the first pause.

        `await_turn` does it by default.
        """
        self._next_turn = time.perf_counter() + random.random() * self.think()

    def await_turn(self) -> float | None:
        """Wait for the next turn and return its due time; None after the run."""
        if not self._next_turn:
            self.begin_turns()
        if self.over_after(max(0.0, self._next_turn - time.perf_counter())):
            return None
        return self._pass_turn()

    def overdue(self, moment: float) -> Iterator[float]:
        """Yield turns due by a moment that will never be taken."""
        while 0 < self._next_turn <= moment:
            yield self._pass_turn()

    def forgive(self) -> None:
        """Make the next turn due no earlier than now, without dropping any.

        The user caused the wait.
        """
        self._next_turn = max(self._next_turn, time.perf_counter())

    def _pass_turn(self) -> float:
        due = self._next_turn
        self._next_turn = due + self.think()
        return due
