"""Faults of Redis.

None excuses a delay: servers then read the log, and events arrive within 5 s.
"""

import re
import secrets

from tests.chaos.faults.fault import Fault
from tests.chaos.faults.parts import PartFault, Pause, Restart, Stop


class RedisFault(PartFault):
    service = "redis"

    async def process(self) -> str:
        answer = await self.ask(self.stack.redis, "ping")
        if answer.stdout.strip() != "PONG":
            return ""
        answer = await self.ask(self.stack.redis, "info", "server")
        found = re.search(r"^run_id:(\w+)", answer.stdout, re.MULTILINE)
        return found[1] if found else ""


class RestartRedis(Restart, RedisFault):
    name, title = "redis-restart", "Redis restarted"


class FlushRedis(RedisFault):
    name, title = "redis-flush", "FLUSHALL"
    left = True

    async def begin(self) -> None:
        key = f"chaos:{secrets.token_hex(8)}"
        await self._answer({"OK"}, "set", key, "1")
        await self._answer({"OK"}, "flushall")
        self.left = await self._answer({"0", "1"}, "exists", key) == "1"

    async def _answer(self, expected: set[str], *command: str) -> str:
        answer = await self.ask(self.stack.redis, *command)
        assert answer.stdout.strip() in expected, answer.stdout + answer.stderr
        return answer.stdout.strip()

    def without_effect(self) -> str:
        return "" if not self.left else "a key that was written before it is still there"


class StopRedis(Stop, RedisFault):
    name, title = "redis-stop", "Redis stopped for 10 s"


class PauseRedis(Pause, RedisFault):
    name, title = "redis-pause", "Redis paused for 10 s"


class KillSubscriptions(RedisFault):
    name, title = "redis-kill-pubsub", "CLIENT KILL of every pub/sub connection"
    killed = 0

    async def begin(self) -> None:
        answer = await self.ask(self.stack.redis, "client", "kill", "type", "pubsub")
        self.killed = int(answer.stdout)

    def without_effect(self) -> str:
        return "" if self.killed else "there was no subscription to kill"


FAULTS: tuple[type[Fault], ...] = (RestartRedis, StopRedis, FlushRedis, PauseRedis, KillSubscriptions)
