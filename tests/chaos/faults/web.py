"""Faults of the web processes."""

import signal
from pathlib import Path

from tests.chaos.chaos_stack import Container
from tests.chaos.faults.fault import Fault, SocketsLost


class KillWorker(SocketsLost):
    name, title = "kill-worker", "kill -9 a worker process"
    victim = 0

    async def begin(self) -> None:
        self.mark()
        self.victim = self.scene.chance.choice(self.stack.workers(await self.any_web()))
        await self.ask(self.stack.kill, self.victim)

    async def healthy(self) -> bool:
        return not _runs(self.victim) and await self.web_is_ready()


class KillWeb(SocketsLost):
    name, title = "kill-web", "kill -9 a whole web container"
    number = signal.SIGKILL
    victim: Container

    async def begin(self) -> None:
        self.mark()
        self.victim = await self.any_web()
        await self.ask(self.stack.kill, self.victim["State"]["Pid"], self.number)

    async def healthy(self) -> bool:
        return not _runs(self.victim["State"]["Pid"]) and await self.web_is_ready()


class StopWeb(KillWeb):
    name, title = "stop-web", "SIGTERM a web container: it drains"
    number = signal.SIGTERM

    def without_effect(self) -> str:
        drained = 1012 in self.closed_since(self.began_at) or 1000 in self.closed_since(self.began_at)
        return "" if drained else "nobody was asked to leave"


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
        """Somebody writes the marker; whoever commits it is dead before it tells anybody."""
        self.mark()
        writer = self.scene.chance.choice([client for client in self.crowd.clients if client.online])
        room = self.scene.chance.choice(list(writer.rooms))
        writer.outbox.write(room, f" {self.stack.marker}")

    async def healthy(self) -> bool:
        return bool(self.closed_since(self.began_at)) and await self.web_is_ready()


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


FAULTS: tuple[type[Fault], ...] = (KillWorker, KillWeb, StopWeb, Roll, KillAfterCommit)
