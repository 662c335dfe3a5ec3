"""Faults of the web processes."""

import asyncio
import signal
from pathlib import Path

from tests.chaos.chaos_stack import REPLICAS, Container, open_sockets
from tests.chaos.faults.fault import Fault, SocketsLost


class KillWorker(SocketsLost):
    name, title = "kill-worker", "kill -9 a worker process"
    victim = 0

    async def begin(self) -> None:
        self.mark()
        # One that has just replaced another has no clients yet.
        self.victim = max(self.stack.workers(await self.busy_web()), key=open_sockets)
        await self.ask(self.stack.kill, self.victim)

    async def healthy(self) -> bool:
        return not _runs(self.victim) and await self.web_is_ready()


class KillWeb(SocketsLost):
    name, title = "kill-web", "kill -9 a whole web container"
    number = signal.SIGKILL
    victim: Container

    async def begin(self) -> None:
        self.mark()
        self.victim = await self.busy_web()
        await self.ask(self.stack.kill, self.victim["State"]["Pid"], self.number)

    async def healthy(self) -> bool:
        return not _runs(self.victim["State"]["Pid"]) and await self.web_is_ready()


class StopWeb(KillWeb):
    name, title = "stop-web", "SIGTERM a web container: it drains"
    number = signal.SIGTERM

    def without_effect(self) -> str:
        drained = 1012 in self.closed_since(self.began_at) or 1000 in self.closed_since(self.began_at)
        return "" if drained else "no client was asked to leave"


class KillAllWeb(SocketsLost):
    """Stop every server for a moment; nginx must retry the servers that are back."""

    name, title = "kill-all-web", "kill -9 all web containers at once"
    excuses = True
    back_s = 5.0
    victims: list[Container]

    async def begin(self) -> None:
        self.mark()
        self.victims = await self.ask(self.stack.running, "web")
        await asyncio.gather(*(self.kill(victim) for victim in self.victims))

    async def kill(self, victim: Container) -> None:
        await self.ask(self.stack.kill, victim["State"]["Pid"])

    async def healthy(self) -> bool:
        return not any(_runs(victim["State"]["Pid"]) for victim in self.victims) and await self.web_is_ready()

    def without_effect(self) -> str:
        lost = len({client.name for client in self.crowd.clients if client.lost_since(self.began_at)})
        return "" if lost == len(self.crowd.clients) else f"only {lost} lost their socket"


class KillWebInTurn(KillAllWeb):
    name, title = "kill-web-in-turn", "kill -9 each web container, 3 s apart"
    apart_s = 3.0

    async def begin(self) -> None:
        self.mark()
        self.victims = await self.ask(self.stack.running, "web")
        for victim in self.victims:
            await self.kill(victim)
            await asyncio.sleep(self.apart_s)


class KillOneOfThree(KillWeb):
    name, title = "kill-one-of-three", "kill -9 one of three web containers"
    back_s = 5.0

    async def begin(self) -> None:
        await self.ask(self.stack.scale_web, REPLICAS + 1)
        await super().begin()

    async def healthy(self) -> bool:
        if _runs(self.victim["State"]["Pid"]) or not await self.ask(self.stack.web_is_ready, REPLICAS + 1):
            return False
        await self.ask(self.stack.scale_web, REPLICAS)
        return True


class Roll(SocketsLost):
    name, title = "roll", "all web containers replaced by `scripts/roll`"

    async def begin(self) -> None:
        self.mark()
        before = {container["Id"] for container in await self.ask(self.stack.running, "web")}
        answer = await self.ask(self.stack.script, "roll", "--force")
        assert answer.returncode == 0, answer.stdout + answer.stderr
        after = {container["Id"] for container in await self.ask(self.stack.running, "web")}
        assert not before & after, "a container of the old version still runs"

    async def healthy(self) -> bool:
        return await self.web_is_ready()


class KillAfterCommit(SocketsLost):
    name, title = "kill-after-commit", "a worker killed between commit and publish"

    async def begin(self) -> None:
        """Write the marker through a server that commits it and dies before it publishes."""
        self.mark()
        writer = self.scene.chance.choice([client for client in self.crowd.clients if client.online])
        room = self.scene.chance.choice(list(writer.rooms))
        writer.outbox.write(room, f" {self.stack.marker}")

    async def healthy(self) -> bool:
        return bool(self.closed_since(self.began_at)) and await self.web_is_ready()


def _runs(pid: int) -> bool:
    try:
        return _status(pid)[0] != "Z"
    except FileNotFoundError:
        return False


def _status(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the program's name."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


FAULTS: tuple[type[Fault], ...] = (
    KillWorker, KillWeb, KillAllWeb, KillWebInTurn, KillOneOfThree, StopWeb, Roll, KillAfterCommit,
)  # fmt: skip
