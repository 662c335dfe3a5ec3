"""Close the sockets of one nginx with 1012 before that nginx stops.

nginx cannot write a close frame into a socket it proxies. At each start it picks a random name, sends it with each
handshake, and on its stop asks any process to drain that name. Only nginx and the processes know the name.
"""

from __future__ import annotations

import asyncio
import re
import sys
from typing import TYPE_CHECKING, Any

from core.limits import Bucket

if TYPE_CHECKING:
    from realtime.hub import Hub
    from realtime.socket import Socket

HEADER = b"x-nginx-instance"
NAME = re.compile(r"[0-9a-f]{32}")
GROUP = "nginx"
SECOND_ROUND_S = 0.5
ASKED_PER_S, ASKED_BURST = 5.0, 20.0


def instance_of(scope: dict[str, Any]) -> str | None:
    """Return the name of the request's nginx; None without one.

    Sockets of one nginx share the string.
    """
    for name, value in scope["headers"]:
        if name == HEADER:
            text = value.decode("latin-1")
            return sys.intern(text) if NAME.fullmatch(text) else None
    return None


class NginxDrain:
    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        # Limited, since anyone who reaches this process directly may ask.
        self.asked = Bucket(ASKED_PER_S, ASKED_BURST)
        self._draining: set[str] = set()

    def ask(self, instance: str, seconds: float) -> bool:
        """Drain the sockets of one nginx in every process.

        Return False above the rate limit.
        """
        if not self.asked.take():
            return False
        self.hub.publish(GROUP, {"kind": "nginx_drain", "instance": instance, "seconds": seconds})
        return True

    def begin(self, instance: str, seconds: float) -> None:
        """Drain this process's sockets, once: both nginx and the layer bring the request."""
        if instance not in self._draining:
            self._draining.add(instance)
            self.hub.spawn(self._drain(instance, seconds))

    async def _drain(self, instance: str, seconds: float) -> None:
        try:
            # Two rounds: a handshake that nginx has already passed on may finish after the first.
            for _ in range(2):
                await self.hub.hand_over(self._sockets(instance), seconds)
                await asyncio.sleep(SECOND_ROUND_S)
        finally:
            self._draining.discard(instance)

    def _sockets(self, instance: str) -> list[Socket]:
        return [
            socket
            for local in self.hub.people.values()
            for socket in local.sockets
            if socket.nginx == instance and not socket.closed
        ]
