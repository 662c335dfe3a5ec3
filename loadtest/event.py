"""gevent's event, without its lost wake-ups.

In gevent 26 `wait` may never return when the event is set and its waiters are being woken: users hung at the end of a run.
"""

from gevent import event


class Event(event.Event):  # gevent has no types for it
    """An event whose `wait` returns at once when it is set."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, at most `timeout` seconds; return whether it is."""
        return self.is_set() or bool(super().wait(timeout))
