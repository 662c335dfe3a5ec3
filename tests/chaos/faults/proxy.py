"""Faults of nginx, which every socket passes."""

import httpx

from tests.chaos.chaos_stack import Container, command_line, descendants
from tests.chaos.faults.fault import Fault, SocketsLost


class ProxyFault(SocketsLost):
    container: Container

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.stack.url}/readyz", timeout=2).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False


class ReloadNginx(ProxyFault):
    name, title = "nginx-reload", "nginx reloaded: SIGHUP to its container"
    old: frozenset[int] = frozenset()

    async def begin(self) -> None:
        self.mark()
        self.container = await self.ask(self.stack.container, "nginx")
        self.old = self._workers()
        # As the runbook has it. After `docker kill --signal HUP` Docker would not start it again when it dies.
        await self.ask(self.stack.docker, "exec", self.container["Id"], "sh", "-c", "kill -HUP 1")

    async def healthy(self) -> bool:
        """Return whether the old workers have closed their sockets."""
        return not self.old & self._workers() and await self.ask(self._answers)

    def _workers(self) -> frozenset[int]:
        pids = descendants(self.container["State"]["Pid"])
        return frozenset(pid for pid in pids if command_line(pid).startswith("nginx: worker"))

    def without_effect(self) -> str:
        # nginx closes a stream as it is: 1006.
        closed = self.closed_since(self.began_at, streams=False)
        return "" if closed and set(closed) <= {1000, 1012} else f"sockets ended with {sorted(set(closed))}, not with 1012"


class KillNginx(ProxyFault):
    name, title = "nginx-kill", "kill -9 nginx"

    async def begin(self) -> None:
        self.mark()
        self.container = await self.ask(self.stack.container, "nginx")
        await self.ask(self.stack.kill, self.container["State"]["Pid"])

    async def healthy(self) -> bool:
        now = await self.ask(self.stack.running, "nginx")
        return bool(now) and now[0]["State"]["Pid"] != self.container["State"]["Pid"] and await self.ask(self._answers)


FAULTS: tuple[type[Fault], ...] = (ReloadNginx, KillNginx)
