"""Close the sockets of one nginx with 1012 before that nginx stops.

nginx cannot write a close frame into a socket it proxies. At each start it picks a random name, sends it with each
handshake, and on its stop asks any process to drain that name. Only nginx and the processes know the name.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from core.limits import Bucket
from realtime.handover import Handover
from realtime.registry import Registry
from realtime.subscriber import Subscriber

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
    def __init__(
        self,
        registry: Registry,
        handover: Handover,
        publish: Callable[[str, dict[str, Any]], None],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._registry, self._handover, self._publish, self._spawn = registry, handover, publish, spawn
        # Limited, since anyone who reaches this process directly may ask.
        self.asked = Bucket(ASKED_PER_S, ASKED_BURST)
        self._draining: set[str] = set()

    def ask(self, instance: str, seconds: float) -> bool:
        """Drain the sockets of one nginx in every process.

        Return False above the rate limit.
        """
        if not self.asked.take():
            return False
        self._publish(GROUP, {"kind": "nginx_drain", "instance": instance, "seconds": seconds})
        return True

    def begin(self, instance: str, seconds: float) -> None:
        """Drain this process's sockets, once: both nginx and the layer bring the request."""
        if instance not in self._draining:
            self._draining.add(instance)
            self._spawn(self._drain(instance, seconds))

    async def _drain(self, instance: str, seconds: float) -> None:
        try:
            # Two rounds: a handshake that nginx has already passed on may finish after the first.
            for _ in range(2):
                await self._handover.close(self._sockets(instance), seconds)
                await asyncio.sleep(SECOND_ROUND_S)
        finally:
            self._draining.discard(instance)

    def _sockets(self, instance: str) -> list[Subscriber]:
        return [socket for socket in self._registry.sockets() if socket.nginx == instance and not socket.closed]
