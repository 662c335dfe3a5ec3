"""What every fault is: it begins, lasts, ends, and at some moment the part it hit is healthy again."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from time import time
from typing import ClassVar, TypeVar

from tests.chaos.chaos_stack import ChaosStack, Container
from tests.chaos.crowd import Crowd
from tests.chaos.records import BACK_S

T = TypeVar("T")


@dataclass(frozen=True)
class Scene:
    """Where it happens."""

    stack: ChaosStack
    crowd: Crowd
    chance: random.Random


class Fault:
    name: ClassVar[str]
    # What is done, as the table says it.
    title: ClassVar[str]
    # Seconds between `begin` and `end`.
    lasts: float = 0.0
    # Nothing can be delivered until the part is healthy. Else the promise of 5 s holds while the fault lasts,
    # too.
    excuses = False
    # Everybody has a socket again so many seconds after the part is healthy.
    back_s: ClassVar[float] = BACK_S
    # It may cost people their sockets; a fault of Redis or Postgres may not.
    ends_sockets = False

    def __init__(self, scene: Scene) -> None:
        self.scene, self.stack, self.crowd = scene, scene.stack, scene.crowd

    async def begin(self) -> None:
        """Do the damage."""
        raise NotImplementedError

    async def end(self) -> None:
        """Remove the fault."""

    async def healthy(self) -> bool:
        """Whether the part that was hit is as before."""
        return True

    def without_effect(self) -> str:
        """Why the fault was none, if so: a run that proves nothing must not pass."""
        return ""

    async def ask(self, function: Callable[..., T], *arguments: object) -> T:
        """Something that blocks, in a thread: the clients go on meanwhile."""
        return await asyncio.to_thread(function, *arguments)

    async def any_web(self) -> Container:
        """One of the web containers."""
        web = await self.ask(self.stack.running, "web")
        return self.scene.chance.choice(web)

    async def web_is_ready(self) -> bool:
        return await self.ask(self.stack.web_is_ready)

    def closed_since(self, moment: float) -> list[int]:
        """Close codes of the sockets clients lost since then."""
        lives = [life for client in self.crowd.clients for life in client.lives]
        return [life.code for life in lives if life.code is not None and life.ended_at is not None and life.ended_at >= moment]


class SocketsLost(Fault):
    """A fault that must close at least one socket."""

    ends_sockets = True
    began_at = 0.0

    def without_effect(self) -> str:
        return "" if self.closed_since(self.began_at) else "no socket was lost"

    def mark(self) -> None:
        self.began_at = time()
