"""Rate-limit a person's calls.

A burst passes at once, further calls wait, and calls that would wait long are refused.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Hashable

from django.conf import settings

from core.errors import RateLimited
from core.per_loop import PerLoop
from core.refusals import note_refusal
from core.words import words as _

# Burst, in seconds of the rate: enough for loading a page or joining all rooms again.
BURST_S = 2.0
# Longest wait. A client with a few concurrent calls is slowed down but never refused.
WAIT_S = 2.0
OWNERS = 10_000
# A list over HTTP costs more processor time than a frame.
HTTP_WEIGHT = 2
# Longest wait of a refusal: its sender keeps a connection and some memory until then.
REFUSAL_WAIT_S = 1.0


class Pace:
    """Calls of one event loop by owner.

    A rate of 0 lifts the limit.
    """

    def __init__(self, rate: float) -> None:
        """`rate`: calls per second and owner."""
        self._rate = rate
        # When each owner's calls would have ended at the rate; the least recently used owner first.
        self._ends: OrderedDict[Hashable, float] = OrderedDict()

    async def wait(self, owner: int, *, weight: int = 1) -> None:
        """Wait until the owner may make another call of this weight.

        Raises RateLimited above WAIT_S seconds.
        """
        if not self._rate:
            return
        ahead = self._ahead(owner, weight)
        if ahead > WAIT_S:
            note_refusal("calls", f"user {owner}", "LIMIT_CALLS_PER_S")
            raise RateLimited(_("too many requests; wait for their answers"), retry_after=math.ceil(ahead - WAIT_S))
        if self.charge(owner, weight) > 0:
            await asyncio.sleep(ahead)

    def charge(self, owner: Hashable, weight: float, *, most_s: float = math.inf) -> float:
        """Count calls of this weight already made.

        Return the seconds until they are within the rate, at most `most_s`: what is above it is forgotten.
        """
        if not self._rate:
            return 0.0
        ahead = min(most_s, self._ahead(owner, weight))
        self._ends[owner] = asyncio.get_running_loop().time() + ahead
        self._ends.move_to_end(owner)
        if len(self._ends) > OWNERS:
            self._ends.popitem(last=False)
        return max(0.0, ahead)

    def _ahead(self, owner: Hashable, weight: float) -> float:
        now = asyncio.get_running_loop().time()
        return max(self._ends.get(owner, 0.0) - now, -BURST_S) + weight / self._rate


# API calls, and frames that read the database, by person id.
calls = PerLoop(lambda: Pace(settings.LIMIT_CALLS_PER_S))
# Refused requests and handshakes, by network.
_refusals = PerLoop(lambda: Pace(settings.LIMIT_CALLS_PER_S))


async def slow_refusal(network: str) -> None:
    """Let a network's refusals wait where they come faster than calls may.

    A refusal costs about as much processor time as an answer. A client that repeats refused requests at once, with many under
    way, would take the worker's whole core.
    """
    await asyncio.sleep(_refusals().charge(network, HTTP_WEIGHT, most_s=REFUSAL_WAIT_S))
