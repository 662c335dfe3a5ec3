"""Send the pushes of a sweep: many at once, few of one person.

The loop of its own runs during a sweep only. A request may outlast its sweep and end in a later one, so a push service that
hangs holds up neither the sweep nor its lease.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, OrderedDict
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import structlog

from features.notifications import push
from features.notifications.models import Device
from features.notifications.push import PushResult, Result, Subscription

logger = structlog.get_logger(__name__)

# Requests under way, and those of one person: their devices may all hang.
AT_ONCE, OF_ONE = 16, 2
# Pauses for a push service that fails: doubled each time, with jitter.
PAUSE_S, LONGEST_PAUSE_S = 2.0, 120.0
REMEMBERED = 20_000

# The ids of the device and the room, and the seq.
Key = tuple[int, int, int]


class Push(NamedTuple):
    """One notification for one device."""

    device: Device
    room: int
    seq: int
    at: datetime
    payload: dict[str, Any]
    urgent: bool

    @property
    def key(self) -> Key:
        return (self.device.id, self.room, self.seq)

    @property
    def host(self) -> str:
        return urlsplit(self.device.endpoint).netloc


class Hosts:
    """Push services that fail, and when they are asked again."""

    def __init__(self) -> None:
        self._failing: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def are_resting(self, host: str) -> bool:
        return self._failing.get(host, (0.0, 0.0))[0] > time.monotonic()

    def note(self, host: str, answer: PushResult) -> None:
        if answer.result != Result.LATER:
            self._failing.pop(host, None)
            return
        if self.are_resting(host):  # of the same volley
            return
        pause = min(LONGEST_PAUSE_S, 2 * self._failing.get(host, (0.0, PAUSE_S / 2))[1])
        until = time.monotonic() + max(min(answer.retry_after, LONGEST_PAUSE_S), pause * random.uniform(0.5, 1.0))  # noqa: S311
        self._failing[host] = (until, pause)
        if len(self._failing) > REMEMBERED:
            self._failing.popitem(last=False)


class Sender:
    """Requests that wait, and requests under way."""

    def __init__(self) -> None:
        self.hosts = Hosts()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: list[Push] = []
        self._under_way: dict[asyncio.Task[PushResult], Push] = {}

    @property
    def is_idle(self) -> bool:
        return not self._waiting and not self._under_way

    def add(self, pushes: list[Push]) -> None:
        """Queue pushes, except those under way since an earlier sweep."""
        known = {one.key for one in self._under_way.values()}
        self._waiting += [one for one in pushes if one.key not in known]

    def run(self, seconds: float) -> list[tuple[Push, PushResult]]:
        """Send for so long at most, and return the pushes that have an answer now."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        return self._loop.run_until_complete(self._run(seconds))

    def drop_waiting(self) -> int:
        """Forget the pushes that have not begun, and return how many.

        The next sweep looks whether they are still due.
        """
        dropped, self._waiting = len(self._waiting), []
        if self.is_idle and self._loop is not None:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())  # one more tick: connections close
            self._loop.close()  # and does not wait for a look-up of a name that hangs
            self._loop = None
        return dropped

    async def _run(self, seconds: float) -> list[tuple[Push, PushResult]]:
        answers: list[tuple[Push, PushResult]] = []
        until = time.monotonic() + seconds
        while True:
            answers += self._begin()
            left = until - time.monotonic()
            if not self._under_way or left <= 0:
                return answers
            done, _pending = await asyncio.wait(self._under_way, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                one, answer = self._under_way.pop(task), task.result()
                self.hosts.note(one.host, answer)
                answers.append((one, answer))

    def _begin(self) -> list[tuple[Push, PushResult]]:
        """Begin pushes as far as there is room.

        Return the answers of those whose service rests.
        """
        resting: list[tuple[Push, PushResult]] = []
        later: list[Push] = []
        of_person = Counter(one.device.user_id for one in self._under_way.values())
        for index, one in enumerate(self._waiting):
            if len(self._under_way) >= AT_ONCE:
                later += self._waiting[index:]
                break
            if self.hosts.are_resting(one.host):
                resting.append((one, PushResult(Result.LATER, "the service rests")))
            elif of_person[one.device.user_id] >= OF_ONE:
                later.append(one)
            else:
                of_person[one.device.user_id] += 1
                self._under_way[asyncio.ensure_future(_send(one))] = one
        self._waiting = later
        return resting


async def _send(one: Push) -> PushResult:
    to = Subscription(one.device.endpoint, one.device.p256dh, one.device.auth)
    try:
        return await push.send(to, one.payload, topic=push.topic_of(one.payload["tag"]), urgent=one.urgent)
    except Exception:  # one push must not end the others
        logger.exception("a push could not be made", device=one.device.id)
        return PushResult(Result.REFUSED, "it could not be made")
