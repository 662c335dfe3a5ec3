"""The password hasher, and the limit of concurrent hashes.

A hash takes 19 MiB and a whole core for 50 ms. Pages run in as many threads as there are requests: without a limit, a crowd
at the sign-in form would take the worker's memory and the sockets' processor time.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from django.contrib.auth.hashers import Argon2PasswordHasher

from core.refusals import note_refusal
from core.words import words as _
from db import database

P = ParamSpec("P")
R = TypeVar("R")

# Concurrent hashes in a process.
AT_ONCE = 2
WAIT_S = 10.0
# API calls waiting to hash; each form waits in a thread of its own.
QUEUE = 200


class Busy(Exception):
    """Too many passwords are being checked; no work was done."""

    def __init__(self) -> None:
        super().__init__(_("too many people are signing in; try again in a moment"))
        note_refusal("queue", "passwords", "")


_slots = threading.BoundedSemaphore(AT_ONCE)
_mine = threading.local()
_waiting = 0


@contextmanager
def turn() -> Iterator[None]:
    """Hold a hash slot in this thread; a nested one is free.

    Raises Busy after WAIT_S seconds.

    Enter it before using the database: a connection must not be held while waiting.
    """
    if getattr(_mine, "turn", False):
        yield
        return
    if not _slots.acquire(timeout=WAIT_S):
        raise Busy
    _mine.turn = True
    try:
        yield
    finally:
        _mine.turn = False
        _slots.release()


async def run(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a function that hashes and uses the database, in threads of its own.

    Raises Busy or DatabaseUnavailable.
    """
    global _waiting
    if _waiting >= QUEUE:
        raise Busy
    _waiting += 1
    call = functools.partial(_in_turn, database.call, function, *args, **kwargs)
    try:
        return await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(_threads(), call), WAIT_S)
    except TimeoutError as error:
        raise Busy from error
    finally:
        _waiting -= 1


def _in_turn(function: Callable[..., R], *args: Any, **kwargs: Any) -> R:
    with turn():
        return function(*args, **kwargs)


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="passwords")


class Argon2Hasher(Argon2PasswordHasher):
    """Argon2id with OWASP's second profile (19 MiB, 2 passes, 1 lane); Django's default takes 100 MiB per sign-in."""

    time_cost = 2
    memory_cost = 19_456
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        with turn():
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        with turn():
            return super().verify(password, encoded)
