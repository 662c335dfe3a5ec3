"""What runs in a worker process besides the web server: started, drained and stopped with it.

The server knows none of them: config/services.py registers them.
"""

from __future__ import annotations

from collections.abc import Callable


class Service:
    """One part of a worker process. Each method may be left as it is."""

    #: As /readyz names it among the degraded parts.
    name = ""

    def start(self) -> None:
        """Begin, on the running event loop. May need neither Redis nor Postgres."""

    def works(self) -> bool:
        """Whether nothing that all processes share keeps it from its work."""
        return True

    async def drain(self, spread_s: float, hurry: Callable[[], bool]) -> None:
        """Hand the clients over to other processes within `spread_s` seconds, at once when `hurry()`."""

    async def share(self, part: float, per_s: float, wanted: Callable[[], bool]) -> int:
        """Hand over that part of the clients while it is wanted, `per_s` a second; return how many."""
        return 0

    def stop_soon(self) -> None:
        """Take on no more work; the process is about to stop."""

    async def stop(self) -> None:
        """Finish the work under way. Services stop in the order they are registered in."""


_registered: list[Service] = []


def register(*services: Service) -> None:
    """Replace the services of this process."""
    _registered[:] = services


def registered() -> tuple[Service, ...]:
    return tuple(_registered)
