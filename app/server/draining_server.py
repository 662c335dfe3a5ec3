"""uvicorn's server with a drain: uvicorn alone would drop all sockets at once.

SIGTERM drains. SIGQUIT, and a second Ctrl-C, hurry: the sockets are closed at once with the same code, and commits under way
still finish. Further SIGTERMs change nothing: Gunicorn sends one a second to a worker that it retires.

It stops listening at once, without a time of unreadiness before. A proxy whose connection is refused has sent nothing yet and
tries another replica, as nginx does. Kubernetes removes the endpoint while preStop waits. A balancer that polls /readyz
fails on a refused connection as on a 503. New sockets would be closed again within seconds. Open connections still
get answers, /readyz with 503, and `connection: close`.
"""

from __future__ import annotations

import asyncio
import signal
import socket as sockets_module
import time
from types import FrameType

from uvicorn.config import Config
from uvicorn.server import Server

from core import state
from core.services import registered
from server import grace, pidfiles
from server.recycling import MemoryWatch
from server.sharing import share_when_asked

NOTIFY_EVERY_S = 5.0
CHECK_EVERY_S = 0.05
# After SIGQUIT, Gunicorn kills the remaining workers within 2 s.
HURRIED_S, HURRIED_FINISH_S = 1.8, 1


class DrainingServer(Server):
    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.hurried = False

    async def startup(self, sockets: list[sockets_module.socket] | None = None) -> None:
        await super().startup(sockets)
        pidfiles.current().ready()
        self.memory = MemoryWatch(self.stop)
        self.watching = asyncio.create_task(self.memory.watch())
        self.sharing = asyncio.create_task(share_when_asked())

    def stop(self) -> None:
        """Drain, as on SIGTERM."""
        self.should_exit = True

    def hurry(self) -> None:
        """End as soon as the commits under way are finished."""
        self.should_exit = self.hurried = True
        self.config.timeout_graceful_shutdown = HURRIED_FINISH_S
        state.end_by = time.monotonic() + HURRIED_S

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit and sig == signal.SIGINT:
            self.hurry()  # uvicorn would skip the end of the lifespan and lose the queued messages
        else:
            super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[sockets_module.socket] | None = None) -> None:
        state.draining, state.end_by = True, min(state.end_by, time.monotonic() + grace.drain_deadline_s())
        self.watching.cancel()
        self.sharing.cancel()
        for server in self.servers:
            server.close()
        for sock in sockets or []:
            sock.close()
        notifying = asyncio.create_task(self._keep_notifying())
        try:
            for service in registered():
                await service.drain(grace.close_spread_s(), lambda: self.hurried)
            await self._connections_end(grace.keepalive_linger_s())
            await super().shutdown()  # the listening sockets are closed already
        finally:
            notifying.cancel()

    async def _connections_end(self, seconds: float) -> None:
        for _ in range(int(seconds / CHECK_EVERY_S)):
            if self.hurried or not self.server_state.connections:
                return
            await asyncio.sleep(CHECK_EVERY_S)

    async def _keep_notifying(self) -> None:
        # The main loop has ended, but Gunicorn still kills a worker that is silent for --timeout.
        while self.config.callback_notify is not None:
            await self.config.callback_notify()
            await asyncio.sleep(NOTIFY_EVERY_S)
