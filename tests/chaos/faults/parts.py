"""Faults of a part with one container, Redis or Postgres."""

from typing import ClassVar

from tests.chaos.faults.fault import Fault


class PartFault(Fault):
    service: ClassVar[str]

    async def process(self) -> str:
        """Return an id that no two processes of the part share.

        Empty while it does not answer.
        """
        raise NotImplementedError

    async def healthy(self) -> bool:
        return bool(await self.process())


class Restart(PartFault):
    before = after = ""

    async def begin(self) -> None:
        await self.begin_with("restart")

    async def begin_with(self, verb: str) -> None:
        container = await self.ask(self.stack.container, self.service)
        self.before = await self.process()
        assert self.before, f"{self.service} does not answer before its fault"
        await self.ask(self.stack.docker, verb, container["Id"])
        self.container = container["Id"]

    async def healthy(self) -> bool:
        self.after = await self.process()
        return bool(self.after)

    def without_effect(self) -> str:
        return "" if self.after != self.before else f"the same process of {self.service} still runs"


class Stop(Restart):
    lasts = 10.0

    async def begin(self) -> None:
        await self.begin_with("stop")

    async def end(self) -> None:
        await self.ask(self.stack.docker, "start", self.container)


class Pause(PartFault):
    lasts = 10.0
    paused = False

    async def begin(self) -> None:
        container = await self.ask(self.stack.container, self.service)
        await self.ask(self.stack.docker, "pause", container["Id"])

    async def end(self) -> None:
        """Ask docker: a query without an answer could also mean a slow machine."""
        container = await self.ask(self.stack.container, self.service)
        self.paused = container["State"]["Paused"]
        if self.paused:
            await self.ask(self.stack.docker, "unpause", container["Id"])

    def without_effect(self) -> str:
        return "" if self.paused else f"{self.service} was not paused any more when the pause was to end"
