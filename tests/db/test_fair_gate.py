"""One user's calls queue behind each other and delay no other user's."""

import asyncio
import threading
import time

import pytest
from django.conf import settings

from core.errors import RateLimited
from db import database
from db.database import QUEUE_EACH
from db.fair_gate import FairGate

pytestmark = pytest.mark.once
FLOODER, ADA, BOB = 1, 2, 3


class Line:
    """Records the order in which a gate admits calls."""

    def __init__(self, gate: FairGate) -> None:
        self.gate = gate
        self.admitted: list[int | None] = []
        self.calls: list[asyncio.Task[None]] = []

    async def ask(self, *owners: int | None) -> None:
        for owner in owners:
            self.calls.append(asyncio.create_task(self._call(owner)))
        await asyncio.sleep(0)

    async def _call(self, owner: int | None) -> None:
        await self.gate.enter(owner)
        self.admitted.append(owner)

    async def end(self, owner: int | None) -> None:
        """End one admitted call of the owner."""
        self.gate.leave(owner)
        await asyncio.sleep(0)


@pytest.fixture
def line() -> Line:
    return Line(FairGate(4, share=2, waiting=10))


async def test_flood_leaves_slots_for_others(line: Line) -> None:
    await line.ask(*[FLOODER] * 10)
    assert line.admitted == [FLOODER, FLOODER]
    await line.ask(ADA, BOB)
    assert line.admitted[2:] == [ADA, BOB]


async def test_waiting_owners_are_admitted_in_turn(line: Line) -> None:
    await line.ask(BOB, BOB, ADA, ADA)
    await line.ask(*[FLOODER] * 5, 4, 5)
    for owner in (BOB, BOB, ADA):
        await line.end(owner)
    assert line.admitted[4:] == [FLOODER, 4, 5], "the gate admits one call of each owner in turn"


async def test_flooder_gets_its_share_when_alone(line: Line) -> None:
    await line.ask(*[FLOODER] * 6)
    for _ in range(4):
        await line.end(FLOODER)
    assert line.admitted == [FLOODER] * 6


async def test_process_itself_is_admitted_first_without_a_share(line: Line) -> None:
    await line.ask(None, None, None, FLOODER)
    await line.ask(ADA, None)
    await line.end(FLOODER)
    assert line.admitted[4:] == [None]
    await line.end(None)
    assert line.admitted[5:] == [ADA]


async def test_calls_above_the_queue_are_refused(line: Line) -> None:
    await line.ask(*[FLOODER] * 12)
    with pytest.raises(RateLimited):
        await line.gate.enter(FLOODER)
    await line.ask(ADA)
    assert line.admitted[-1] == ADA


async def test_cancelled_call_leaves_the_queue(line: Line) -> None:
    await line.ask(FLOODER, FLOODER, FLOODER, ADA, ADA, ADA, BOB)
    line.calls[5].cancel()
    line.calls[6].cancel()
    await asyncio.sleep(0)
    await line.end(ADA)
    await line.end(ADA)
    await line.ask(BOB, 4)
    assert line.admitted == [FLOODER, FLOODER, ADA, ADA, BOB, 4]


async def test_call_cancelled_when_admitted_frees_its_slot(line: Line) -> None:
    await line.ask(FLOODER, FLOODER, ADA, ADA, BOB)
    line.gate.leave(ADA)
    line.calls[4].cancel()  # admitted, but not run since
    await asyncio.sleep(0)
    await line.ask(4)
    assert line.admitted[4:] == [4]


async def test_queue_of_200_does_not_delay_another_person() -> None:
    """Order of service, without a clock.

    At most the flooder's running calls end before Ada's call begins.
    """
    line = Line(FairGate(4, share=2, waiting=200))
    await line.ask(BOB, BOB, *[FLOODER] * 200)
    await line.ask(ADA)
    begun = len(line.admitted)
    await line.end(FLOODER)
    await line.end(FLOODER)
    assert ADA in line.admitted[begun : begun + 2]
    assert line.admitted.count(FLOODER) == 3


async def test_expensive_call_returns_its_share_later() -> None:
    line = Line(FairGate(4, share=2, waiting=10))
    await line.ask(*[FLOODER] * 4, *[ADA] * 3)
    line.gate.leave(FLOODER, rest_s=0.05)
    await asyncio.sleep(0)
    assert line.admitted == [FLOODER, FLOODER, ADA, ADA]
    await line.ask(BOB)
    assert line.admitted[4:] == [BOB], "the slot is free for others"
    await asyncio.sleep(0.1)
    assert line.admitted[5:] == []
    await line.end(BOB)
    assert line.admitted[5:] == [FLOODER]


async def test_call_behind_the_owners_calls_is_rate_limited() -> None:
    """While the owner's calls go on, the owner has too many.

    Otherwise the database is at fault.
    """
    line = Line(FairGate(4, share=1, waiting=10))
    await line.ask(*[FLOODER] * 2)
    late = asyncio.create_task(line.gate.enter(FLOODER, limit_s=0.1))
    await asyncio.sleep(0)
    await line.end(FLOODER)
    with pytest.raises(RateLimited):
        await late
    with pytest.raises(TimeoutError):
        await line.gate.enter(FLOODER, limit_s=0.01)
    await line.end(FLOODER)
    await line.ask(FLOODER)
    assert line.admitted == [FLOODER] * 3, "a refused call kept its slot"


@pytest.mark.django_db(transaction=True)
async def test_flood_of_long_calls_is_rate_limited_not_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "LIMIT_S", 1.0)
    monkeypatch.setattr(database, "LINE_S", 0.3)
    calls = [database.run_for(FLOODER, time.sleep, 0.1) for _ in range(QUEUE_EACH)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(answer) for answer in answers} == {type(None), RateLimited}
    with pytest.raises(database.DatabaseUnavailable):
        await database.run_for(ADA, time.sleep, 1.5)


@pytest.mark.django_db(transaction=True)
async def test_busy_person_gets_fewer_threads_others_do_not() -> None:
    """Each call takes a thread for 0.1 s: a few calls spend one user's budget."""
    flood = [asyncio.create_task(database.run_for("busy", time.sleep, 0.1)) for _ in range(30)]
    await asyncio.sleep(1.0)
    begun = sum(call.done() for call in flood)
    assert begun < 10 * max(1, settings.DATABASE_THREADS // 4), "without the budget each slot ends ten calls a second"
    assert await asyncio.wait_for(database.run_for("ada", lambda: "answered"), 2) == "answered"
    for call in flood:
        call.cancel()
    await asyncio.gather(*flood, return_exceptions=True)


@pytest.mark.django_db(transaction=True)
async def test_flood_of_slow_calls_leaves_threads_for_others() -> None:
    """The same through the real threads."""
    held = threading.Event()
    flood = [asyncio.create_task(database.run_for(FLOODER, held.wait, 10)) for _ in range(10 * settings.DATABASE_THREADS)]
    await asyncio.sleep(0.05)
    try:
        assert await asyncio.wait_for(database.run_for(ADA, lambda: "answered"), 2) == "answered"
    finally:
        held.set()
        await asyncio.gather(*flood)


@pytest.mark.django_db(transaction=True)
async def test_abandoned_call_keeps_its_slot_until_its_end() -> None:
    held = threading.Event()
    share = max(1, settings.DATABASE_THREADS // 4)
    calls = [asyncio.create_task(database.run_for(FLOODER, held.wait, 10)) for _ in range(share)]
    await asyncio.sleep(0.05)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    late = asyncio.create_task(database.run_for(FLOODER, lambda: "answered"))
    await asyncio.sleep(0.05)
    assert not late.done(), "its threads still work"
    held.set()
    assert await late == "answered"
