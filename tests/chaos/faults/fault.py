"""A fault: it begins, lasts and ends, and later its target is healthy again."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from time import time
from typing import ClassVar, TypeVar

from tests.chaos.chaos_stack import ChaosStack, Container, open_sockets
from tests.chaos.crowd import Crowd
from tests.chaos.records import BACK_S

T = TypeVar("T")


@dataclass(frozen=True)
class Scene:
    """The stack and the crowd of a fault."""

    stack: ChaosStack
    crowd: Crowd
    chance: random.Random


class Fault:
    name: ClassVar[str]
    # The name of the fault in the table.
    title: ClassVar[str]
    # Seconds between `begin` and `end`.
    lasts: float = 0.0
    # Nothing can be delivered until the part is healthy. Otherwise events must arrive within 5 s during the fault, too.
    excuses = False
    # Seconds after recovery within which all clients have a socket again.
    back_s: ClassVar[float] = BACK_S
    # Whether clients may lose their sockets; a fault of Redis or Postgres must not close any.
    ends_sockets = False

    def __init__(self, scene: Scene) -> None:
        self.scene, self.stack, self.crowd = scene, scene.stack, scene.crowd

    async def begin(self) -> None:
        """Start the fault."""
        raise NotImplementedError

    async def end(self) -> None:
        """Remove the fault."""

    async def healthy(self) -> bool:
        """Return whether the target works as before."""
        return True

    def without_effect(self) -> str:
        """Return why the fault had no effect, if so: such a run must not pass."""
        return ""

    async def ask(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a blocking call in a thread, so that the clients go on."""
        return await asyncio.to_thread(function, *arguments)

    async def busy_web(self) -> Container:
        """Return the web container with the most sockets.

        After another fault all clients may be on one.
        """
        web = await self.ask(self.stack.running, "web")
        return max(web, key=lambda container: sum(map(open_sockets, self.stack.workers(container))))

    async def web_is_ready(self) -> bool:
        return await self.ask(self.stack.web_is_ready)

    def closed_since(self, moment: float, *, streams: bool = True) -> list[int]:
        """Return the close codes of the sockets that clients lost since `moment`.

        `streams` says whether those of clients with a stream count.
        """
        lives = [life for client in self.crowd.clients if streams or not client.streams for life in client.lives]
        return [life.code for life in lives if life.code is not None and life.ended_at is not None and life.ended_at >= moment]


class SocketsLost(Fault):
    """A fault that must close at least one socket."""

    ends_sockets = True
    began_at = 0.0

    def without_effect(self) -> str:
        return "" if self.closed_since(self.began_at) else "no socket was lost"

    def mark(self) -> None:
        self.began_at = time()
