"""gevent's event, without its lost wake-ups.

gevent 26's `wait` on an event that is set puts a greenlet that comes while the waiters are woken behind them, and may never wake
it: users hung at the end of a run.
"""

from gevent import event


class Event(event.Event):  # type: ignore[misc]  # gevent has no types for it
    """Whoever comes once it is set does not wait."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, at most `timeout` seconds; return whether it is."""
        return self.is_set() or bool(super().wait(timeout))
