"""Faults on the clients' side."""

import asyncio
from contextlib import suppress
from time import time

from tests.chaos.chaos_stack import Container
from tests.chaos.checker import NOTICE_S
from tests.chaos.client import Client
from tests.chaos.faults.fault import Fault, SocketsLost


class Storm(SocketsLost):
    name, title = "storm", "every client cut at once: all come back together"

    async def begin(self) -> None:
        self.mark()
        for client in self.crowd.clients:
            client.cut()

    def without_effect(self) -> str:
        lost = len(self.closed_since(self.began_at))
        return "" if lost >= len(self.crowd.clients) else f"only {lost} lost their socket"


class PastDocker(SocketsLost):
    """Connect some clients to nginx directly.

    Docker's port proxy would buffer and acknowledge megabytes.
    """

    async def go_past_docker(self, clients: list[Client]) -> Container:
        """Reconnect the clients past Docker; return nginx."""
        nginx = await self.ask(self.stack.container, "nginx")
        self.moved, self.published = clients, clients[0].url
        for client in clients:
            client.url = f"ws://{self.stack.address(nginx, 'edge')}:8080/ws/"
            client.cut()
        await asyncio.sleep(1)  # they notice, and reconnect
        await self.crowd.until(lambda: self.crowd.all_online, 30, "they are back")
        return nginx

    def go_by_docker(self) -> None:
        """Use Docker's port again from the next connection on."""
        for client in self.moved:
            client.url = self.published


class CutOff(PastDocker):
    """Drop the packets of connections, like a router that forgot them.

    Each client must detect it. Until then missing events are excused (`Client.deaf`); the checker limits the time.
    """

    name, title = "cut-clients-nginx", "half of the clients cut off from nginx, until they notice by themselves"
    share = 0.5

    async def begin(self) -> None:
        self.victims = self.scene.chance.sample(self.crowd.clients, int(self.share * len(self.crowd.clients)))
        nginx = await self.go_past_docker(self.victims)
        self.dead = (nginx, self.stack.gateway(nginx, "edge"), [client.port for client in self.victims])
        self.mark()
        await self.ask(self.stack.cut_ports, *self.dead)
        with suppress(TimeoutError):  # the checker names clients that did not
            await self.crowd.until(self._noticed, NOTICE_S, "everybody noticed")

    async def end(self) -> None:
        await self.ask(self.stack.mend_ports, *self.dead)
        self.go_by_docker()
        for client in self.victims:
            client.was_deaf(self.began_at, time())

    def _noticed(self) -> bool:
        return all(client.lives[-1].hello_at > self.began_at for client in self.victims)

    def without_effect(self) -> str:
        others = [client.name for client in self.crowd.clients if client not in self.victims and client.lost_since(self.began_at)]
        if others:
            return f"{', '.join(others)} lost their socket, too"
        soonest = min(span.end - span.begin for client in self.victims for span in client.deaf)
        return "" if soonest > NOTICE_S / 2 else f"a client noticed too early: after {soonest:.1f} s"


class StalledReaders(PastDocker):
    """Stall the readers of a few rooms and write more there than all buffers hold."""

    name, title, lasts = "stalled-readers", "20 % of the clients stop reading for 30 s", 30.0
    share, per_s = 0.2, 2
    # 36 kB on the wire: the kernels buffer some hundred for each reader, the server a megabyte.
    text = " " + "\N{GRINNING FACE}" * 9_000

    async def begin(self) -> None:
        self.mark()
        # The servers know the close codes: a stalled reader does not get the close frame.
        self.before = await self.ask(self.stack.closed_by_web)
        number = int(self.share * len(self.crowd.clients))
        self.stalled: list[Client] = []
        rooms = []
        for room in self.crowd.rooms:
            if len(self.stalled) < number:
                readers = [client for client in self.crowd.members(room) if client not in self.crowd.writers]
                self.stalled += [client for client in readers if client not in self.stalled][: number - len(self.stalled)]
                rooms.append(room)
        await self.go_past_docker(self.stalled)
        self.flooding = [asyncio.create_task(self._flood(room)) for room in rooms]
        self.stalled_at = time()
        for client in self.stalled:
            client.stop_reading()

    async def _flood(self, room: str) -> None:
        writers = [client for client in self.crowd.members(room) if client in self.crowd.writers]
        while True:
            self.scene.chance.choice(writers).outbox.write(room, self.text)
            await asyncio.sleep(1 / self.per_s)

    async def end(self) -> None:
        self.by_web = await self.ask(self.stack.closed_by_web)
        for task in self.flooding:
            task.cancel()
        self.heads = {room: max(client.rooms[room].highest for client in self.crowd.members(room)) for room in self.crowd.rooms}
        self.go_by_docker()
        for client in self.stalled:
            client.resume_reading()

    def without_effect(self) -> str:
        """Check that each reader was closed or received all, and one was closed."""
        closed = [client for client in self.stalled if client.lives[-1].hello_at > self.stalled_at]
        held = [client for client in self.stalled if client not in closed]
        behind = [client.name for client in held if not client.holds(self.heads)]
        codes = self.by_web - self.before
        said = f"of {len(self.stalled)} that stalled {len(closed)} lost their socket and {len(held) - len(behind)} caught up; "
        said += f"closed by the servers, by code: {dict(codes)}"
        return "" if closed and len(closed) <= codes[4008] and not behind else f"{said}; still behind: {', '.join(behind)}"


FAULTS: tuple[type[Fault], ...] = (CutOff, Storm, StalledReaders)
