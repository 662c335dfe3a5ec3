"""Services that run in a worker process besides the web server.

They start, drain and stop with it. The server knows none of them: config/services.py registers them.
"""

from __future__ import annotations

from collections.abc import Callable


class Service:
    """One service of a worker process.

    Every method is optional.
    """

    # Its name among the degraded parts in /readyz.
    name = ""

    def start(self) -> None:
        """Start on the running event loop, without needing Redis or Postgres."""

    def works(self) -> bool:
        """Return whether the shared parts that it needs are available."""
        return True

    async def measure(self) -> None:
        """Update the figures that are looked up when /metrics is read.

        Take less than a second, and raise no error.
        """

    async def drain(self, spread_s: float, hurry: Callable[[], bool]) -> None:
        """Hand clients over to other processes within `spread_s`; at once when `hurry()`."""

    async def share(self, part: float, per_s: float, wanted: Callable[[], bool]) -> int:
        """Hand over this part of the clients at `per_s`, while `wanted()`.

        Return how many.
        """
        return 0

    def stop_soon(self) -> None:
        """Accept no more work; the process is about to stop."""

    async def stop(self) -> None:
        """Finish the work under way.

        Services stop in the order of their registration.
        """


_registered: list[Service] = []


def register(*services: Service) -> None:
    """Replace the services of this process."""
    _registered[:] = services


def registered() -> tuple[Service, ...]:
    return tuple(_registered)
