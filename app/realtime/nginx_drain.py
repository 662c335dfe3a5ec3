"""The sockets that came through one nginx, closed with 1012 before that nginx ends.

nginx cannot write a close frame into a socket it passes on. At each start it makes itself a random name, sends it with each
handshake, and asks any process to drain that name once it is told to end. Nobody else knows the name.
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
    """The name of the nginx a request came through; None without one. Sockets of one nginx share the string."""
    for name, value in scope["headers"]:
        if name == HEADER:
            text = value.decode("latin-1")
            return sys.intern(text) if NAME.fullmatch(text) else None
    return None


class NginxDrain:
    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        # Anybody who reaches this process directly may ask.
        self.asked = Bucket(ASKED_PER_S, ASKED_BURST)
        self._draining: set[str] = set()

    def ask(self, instance: str, seconds: float) -> bool:
        """Drain the sockets of one nginx in every process; False when too much was asked for."""
        if not self.asked.take():
            return False
        self.hub.publish(GROUP, {"kind": "nginx_drain", "instance": instance, "seconds": seconds})
        return True

    def begin(self, instance: str, seconds: float) -> None:
        """Drain those of this process. nginx asks each server, and the layer carries it, too: once is enough."""
        if instance not in self._draining:
            self._draining.add(instance)
            self.hub.spawn(self._drain(instance, seconds))

    async def _drain(self, instance: str, seconds: float) -> None:
        try:
            # In two rounds: a handshake that nginx had passed on already may end after the first.
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
