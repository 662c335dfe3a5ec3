"""One instance per event loop: the hub, the log's writer, connection pools."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerLoop(Generic[T]):
    """One T per event loop, made by `make()` on first use and freed with the loop.

    `per_loop()` returns the running loop's T. A process serves on one loop and asks many times per message, so the last result
    is cached.
    """

    __slots__ = ("_all", "_last", "_loop", "_make")

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._all: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, T] = weakref.WeakKeyDictionary()
        self._loop: Callable[[], asyncio.AbstractEventLoop | None] = _none
        self._last: T

    def __call__(self) -> T:
        loop = asyncio.get_running_loop()
        if self._loop() is loop:
            return self._last
        found = self._all.get(loop)
        return self.put(loop, self._make() if found is None else found)

    def peek(self) -> T | None:
        """Return the running loop's instance, if there is one."""
        return self._all.get(asyncio.get_running_loop())

    def put(self, loop: asyncio.AbstractEventLoop, one: T) -> T:
        """Set the instance of `loop` and return it."""
        self._all[loop] = one
        self._loop, self._last = weakref.ref(loop), one
        return one

    def take(self, loop: asyncio.AbstractEventLoop) -> T:
        """Remove and return the instance of `loop`.

        Raises KeyError if it has none.
        """
        self._loop = _none
        return self._all.pop(loop)

    def __getitem__(self, loop: asyncio.AbstractEventLoop) -> T:
        """Return the instance of `loop`.

        Raises KeyError if it has none.
        """
        return self._all[loop]


def _none() -> None:
    return None
