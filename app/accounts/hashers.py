"""The password hasher, and the limit of concurrent hashes with its queues.

Each address has a queue of its own. A hash takes 19 MiB and a whole core for 50 ms. Pages run in as many threads as there are
requests: without a limit, a crowd at the sign-in form would take the worker's memory and the sockets' processor time.
Addresses take turns, and one address has one slot at most, so that a flood of the form delays its own sender only.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import async_to_sync
from django.contrib.auth.hashers import Argon2PasswordHasher

from core.errors import RateLimited
from core.per_loop import PerLoop
from core.refusals import note_refusal
from core.words import words as _
from db import database
from db.fair_gate import FairGate

P = ParamSpec("P")
R = TypeVar("R")

# Concurrent hashes in a process.
AT_ONCE = 2
WAIT_S = 10.0
# Longest time of one hash and its queries, once they have begun.
CALL_S = 5.0
# Calls of one address, and of all, that wait to hash; each form waits in a thread of its own.
QUEUE_EACH = 100
QUEUE = 1_000


class Busy(Exception):
    """Too many passwords are being checked; no work was done."""

    def __init__(self) -> None:
        super().__init__(_("too many people are signing in; try again in a moment"))
        note_refusal("queue", "passwords", "")


_slots = threading.BoundedSemaphore(AT_ONCE)
_mine = threading.local()
_waiting = 0
_gate = PerLoop(lambda: FairGate(AT_ONCE, share=1, waiting=QUEUE_EACH))


@contextmanager
def hash_slot() -> Iterator[None]:
    """Hold a hash slot in this thread; a nested one is free.

    Raises Busy after WAIT_S seconds.

    Enter it before using the database: a connection must not be held while waiting.
    """
    if getattr(_mine, "has_slot", False):
        yield
        return
    if not _slots.acquire(timeout=WAIT_S):
        raise Busy
    _mine.has_slot = True
    try:
        yield
    finally:
        _mine.has_slot = False
        _slots.release()


@contextmanager
def hash_slot_for(address: str) -> Iterator[None]:
    """Hold a hash slot in this thread while the block runs, for a page of Django.

    The call waits in the queue of `address`. Raises RateLimited if too many calls of the address wait, Busy after WAIT_S
    seconds behind others.
    """
    leave = async_to_sync(_enter)(address)
    try:
        with hash_slot():
            yield
    finally:
        leave()


async def run_for(address: str, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a function that hashes and uses the database, in a thread for hashes.

    The call waits in the queue of `address`. Raises as `hash_slot_for` does, or DatabaseUnavailable.
    """
    leave = await _enter(address)
    call = functools.partial(_with_hash_slot, database.call, function, *args, **kwargs)
    hashed = _threads().submit(call)
    hashed.add_done_callback(lambda _: leave())  # its slot is free at its end, even if the caller gave up
    try:
        async with asyncio.timeout(CALL_S):
            return await asyncio.wrap_future(hashed)
    except TimeoutError as error:
        raise Busy from error


async def _enter(address: str) -> Callable[[], None]:
    """Wait for a slot; return the function that frees it, for any thread."""
    global _waiting
    if _waiting >= QUEUE:
        raise Busy
    loop, gate = asyncio.get_running_loop(), _gate()
    _waiting += 1
    try:
        await gate.enter(address, limit_s=WAIT_S)
    except RateLimited:
        note_refusal("passwords", f"address {address}", "")
        raise
    except TimeoutError as error:
        raise Busy from error
    finally:
        _waiting -= 1

    def leave() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            loop.call_soon_threadsafe(gate.leave, address)

    return leave


def _with_hash_slot(function: Callable[..., R], *args: Any, **kwargs: Any) -> R:
    with hash_slot():
        return function(*args, **kwargs)


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="passwords")


class Argon2Hasher(Argon2PasswordHasher):
    """Argon2id with OWASP's second profile: 19 MiB, 2 passes, 1 lane.

    Django's default takes 100 MiB per sign-in.
    """

    time_cost = 2
    memory_cost = 19_456
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        with hash_slot():
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        with hash_slot():
            return super().verify(password, encoded)
