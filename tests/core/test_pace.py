"""One person's calls are spread over time without delaying other people's."""

import asyncio
import time

import pytest

from core.errors import RateLimited
from core.pace import BURST_S, WAIT_S, Pace

pytestmark = pytest.mark.once
RATE = 50.0
FLOODER, ADA = 1, 2


async def flood(pace: Pace, calls: int) -> tuple[int, int]:
    """Return the numbers of passed and refused calls; the others still wait."""
    waiting = [asyncio.create_task(pace.wait(FLOODER)) for _ in range(calls)]
    for _ in range(3):
        await asyncio.sleep(0)
    done = [call for call in waiting if call.done()]
    refused = [call for call in done if isinstance(call.exception(), RateLimited)]
    for call in waiting:
        call.cancel()
    return len(done) - len(refused), len(refused)


async def test_burst_passes_then_calls_wait_then_are_refused() -> None:
    started = time.monotonic()
    passed, refused = await flood(Pace(RATE), 500)
    # What the rate gives while the calls are made.
    more = 1 + RATE * (time.monotonic() - started)
    assert BURST_S * RATE - 1 <= passed <= BURST_S * RATE + more
    assert (BURST_S + WAIT_S) * RATE - 1 <= 500 - refused <= (BURST_S + WAIT_S) * RATE + more


async def test_refusal_has_a_retry_after() -> None:
    pace = Pace(1.0)
    waiting = [asyncio.create_task(pace.wait(FLOODER)) for _ in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(RateLimited) as refused:
        await pace.wait(FLOODER)
    assert refused.value.retry_after == 1
    for call in waiting:
        call.cancel()


async def test_flood_of_one_user_slows_no_other() -> None:
    pace = Pace(RATE)
    await flood(pace, 500)
    async with asyncio.timeout(0.5):
        for _ in range(int(BURST_S * RATE)):
            await pace.wait(ADA)


async def test_rate_of_zero_lifts_the_pace() -> None:
    assert await flood(Pace(0), 5_000) == (5_000, 0)
