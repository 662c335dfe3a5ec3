"""The channel layer between the processes with injected faults.

It has the interface of our layer (realtime/layer/redis_layer.py). A message waits in each subscriber's inbox until
the test delivers, drops, doubles or reorders it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec

from realtime.layer.redis_layer import Listener


class Network:
    """The ends of all processes."""

    def __init__(self) -> None:
        self.ends: list[End] = []

    def carry(self, group: str, payload: bytes) -> None:
        for end in self.ends:
            if group in end.subscribed:
                end.inbox.append(payload)


class End:
    """One process's end of the layer."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.inbox: list[bytes] = []
        self.healthy = True
        self.dead = False
        self.subscribed: set[str] = set()
        self._wanted: set[str] = set()
        self._unsent: list[tuple[str, bytes]] = []
        self._asked: list[asyncio.Future[None]] = []
        self._listener: Listener | None = None
        network.ends.append(self)

    # --- interface of the layer

    def loop_layer(self) -> End:
        return self

    def listen(self, channel: str, listener: Listener) -> None:
        self._listener = listener

    def hear(self, channel: str, listener: Listener) -> None:
        """Do nothing: no process of another release runs."""

    def join(self, prefix: str) -> None:
        """Do nothing: all ends belong to one installation."""

    def publish_soon(self, group: str, message: dict[str, Any]) -> bool:
        if self.dead:
            return False
        payload = msgspec.msgpack.encode(message)
        if self.healthy:
            self.network.carry(group, payload)
        else:
            self._unsent.append((group, payload))
        return True

    def add_soon(self, groups: Iterable[str], channel: str) -> list[asyncio.Future[None]]:
        self._wanted.update(groups)
        taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked.append(taken)
        if self.healthy:
            self._subscribe()
        return [taken]

    def discard_soon(self, group: str, channel: str) -> None:
        self._wanted.discard(group)
        self.subscribed.discard(group)

    def deserialize(self, payload: bytes) -> Any:
        return msgspec.msgpack.decode(payload)

    async def settle(self) -> None:
        """Return at once: the test holds all messages."""

    async def flush(self) -> None:
        self.die()

    # --- the faults

    def cut(self) -> None:
        """Drop the connection with all messages in transit."""
        self.healthy = False
        self.subscribed.clear()
        self.inbox.clear()

    def restore(self, *, resend: bool) -> None:
        """Restore the connection.

        Messages published meanwhile are sent now, or were too old.
        """
        if self.healthy or self.dead:
            return
        self.healthy = True
        self._subscribe()
        for group, payload in self._unsent if resend else ():
            self.network.carry(group, payload)
        self._unsent.clear()
        assert self._listener is not None
        self._listener.restored()

    def deliver(self, number: int) -> None:
        """Deliver the oldest `number` messages together."""
        arrived, self.inbox = self.inbox[:number], self.inbox[number:]
        if arrived and self._listener is not None and not self.dead:
            self._listener.messages(arrived)

    def die(self) -> None:
        """End the process: it neither receives nor sends."""
        self.dead = True
        self.cut()
        if self in self.network.ends:
            self.network.ends.remove(self)

    def _subscribe(self) -> None:
        self.subscribed |= self._wanted
        for taken in self._asked:
            if not taken.done():
                taken.set_result(None)
        self._asked.clear()
