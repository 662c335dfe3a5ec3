"""What there is one of for each event loop: the hub, the log's writer, pools of connections."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerLoop(Generic[T]):
    """`per_loop()` is the running loop's T, made by `make()` when it is first asked for; gone when the loop is.

    A process serves on one loop and asks many times for each message, so the last answer is kept at hand.
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
        """That of the running loop, where there is one already."""
        return self._all.get(asyncio.get_running_loop())

    def put(self, loop: asyncio.AbstractEventLoop, one: T) -> T:
        """From now on that of `loop`; returned as it was given."""
        self._all[loop] = one
        self._loop, self._last = weakref.ref(loop), one
        return one

    def take(self, loop: asyncio.AbstractEventLoop) -> T:
        """That of `loop`, which has none from then on. Raises KeyError when it had none."""
        self._loop = _none
        return self._all.pop(loop)

    def __getitem__(self, loop: asyncio.AbstractEventLoop) -> T:
        """Raises KeyError when it has none yet."""
        return self._all[loop]


def _none() -> None:
    return None
