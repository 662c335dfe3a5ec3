"""One Redis of the channel layer, on two connections.

The layer is in redis_layer.py, a connection in redis_link.py.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import hiredis
from channels.exceptions import ChannelFull

from core import metrics
from core.redis_faults import report_fault
from realtime.layer.redis_link import PING, Link
from realtime.layer.round_trip import RoundTrip

ANSWER_S = 2.0
# How long messages wait for a Redis that is down: longer than a restart, short enough for messages to matter.
HOLD_S = 5.0
# Unanswered or held commands per Redis; above it publishing is refused.
UNANSWERED_BYTES = 16 * 1024 * 1024
NAMES_A_COMMAND = 500


class Publication(NamedTuple):
    at: float
    command: bytes
    answer: asyncio.Future[None] | None


class Shard:
    """One Redis: this process's publications to it and subscriptions on it."""

    def __init__(self, host: dict[str, Any], arrived: Callable[[list[tuple[str, bytes]]], None], restored: Callable[[], None]):
        self._arrived, self._restored = arrived, restored
        self._out = Link(host, on_replies=self._published, up=self._publish_again, pinged=self._pinged)
        self._in = Link(host, on_replies=self._on_replies, up=self._subscribe_again)
        # Unanswered publications in order, and the pings between them: Redis may refuse pings as well.
        self._unanswered: deque[Publication] = deque()
        self._unanswered_bytes = 0
        self._names: set[str] = set()
        # For each name, one entry per SUBSCRIBE under way.
        self._acks: dict[str, deque[list[asyncio.Future[None]]]] = {}
        self._was_up = False
        self._restoring: set[str] = set()
        self._own_channel = b""
        self._own_message = b""
        self._round_trip = RoundTrip(self._publish_own)

    @property
    def is_up(self) -> bool:
        """Return whether both connections are open and, after `check`, carry messages."""
        return self._in.is_up and self._out.is_up and (not self._own_channel or self._round_trip.works)

    def start(self) -> None:
        self._in.start()
        self._out.start()

    def check(self, channel: str) -> None:
        """Measure round trips over `channel`, which no other process uses."""
        self._own_channel, self._own_message = channel.encode(), _packed(b"PUBLISH", channel, b"")
        self.start()
        self.subscribe_soon([channel])
        self._round_trip.start()

    async def flush(self) -> None:
        """Close the connections and forget all subscriptions; the shard can be used again."""
        await self._round_trip.stop()
        self._own_channel, self._own_message = b"", b""
        await self._in.stop()
        await self._out.stop()
        self._names.clear()
        for ack in [ack for acks in self._acks.values() for some in acks for ack in some]:
            ack.cancel()
        self._acks.clear()
        self._unanswered.clear()
        self._unanswered_bytes = 0
        self._was_up = False

    # --- publishing

    async def publish(self, channel: str, message: bytes) -> None:
        """Publish a message.

        Raises TimeoutError if Redis does not accept it in time, ChannelFull above the bound.
        """
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not self.publish_soon(channel, message, answer):
            raise ChannelFull
        async with asyncio.timeout(ANSWER_S):
            await answer

    def publish_soon(self, channel: str, message: bytes, answer: asyncio.Future[None] | None) -> bool:
        """Publish without waiting; return False above the bound.

        Sent again if the connection is lost unanswered.
        """
        now = time.monotonic()
        if not self._out.is_up:
            self.start()
            self._drop_before(now - HOLD_S)
        command = _packed(b"PUBLISH", channel, message)
        if self._unanswered_bytes + len(command) > UNANSWERED_BYTES:
            return False
        self._unanswered.append(Publication(now, command, answer))
        self._unanswered_bytes += len(command)
        if self._out.is_up:
            self._out.write(command)
        return True

    def _publish_own(self) -> None:
        if self._out.is_up and self._in.is_up:
            self._unanswered.append(Publication(time.monotonic(), self._own_message, None))
            self._out.write(self._own_message)

    def _publish_again(self) -> None:
        checks = (PING, self._own_message)
        self._unanswered = deque(publication for publication in self._unanswered if publication.command not in checks)
        self._round_trip.begin()
        self._drop_before(time.monotonic() - HOLD_S)
        for publication in self._unanswered:
            self._out.write(publication.command)
        if self._own_channel:
            self._round_trip.send()

    def _pinged(self) -> None:
        self._unanswered.append(Publication(time.monotonic(), PING, None))

    def _drop_before(self, moment: float) -> None:
        while self._unanswered and self._unanswered[0].at < moment:
            self._answered(TimeoutError("Redis was away for too long"))

    def _published(self, replies: list[Any]) -> None:
        for reply in replies:
            error = reply if isinstance(reply, Exception) else None
            if error:
                report_fault("layer", error)
            self._answered(error)

    def _answered(self, error: Exception | None) -> None:
        """Complete the oldest command."""
        publication = self._unanswered.popleft()
        if publication.command is PING or publication.command is self._own_message:
            return
        self._unanswered_bytes -= len(publication.command)
        if error:
            metrics.LAYER_DROPPED.inc()
        answer = publication.answer
        if answer is None or answer.done():
            return
        if error:
            answer.set_exception(error)
        else:
            answer.set_result(None)

    # --- subscribing

    async def subscribe(self, name: str) -> None:
        """Subscribe to a name.

        Raises TimeoutError if Redis is late; the subscription then follows later.
        """
        self.start()
        if name in self._names and name not in self._acks:
            return
        async with asyncio.timeout(ANSWER_S):
            await self.subscribe_soon([name])

    def subscribe_soon(self, names: list[str]) -> asyncio.Future[None]:
        """Subscribe without waiting.

        The future is done when Redis confirms the last name: it answers in order.
        """
        self.start()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._names.update(names)
        for name in names:
            self._acks.setdefault(name, deque()).append([])
        self._acks[names[-1]][-1].append(done)
        if self._in.is_up:
            self._command(b"SUBSCRIBE", names)
        return done

    async def unsubscribe(self, name: str) -> None:
        self.unsubscribe_soon(name)

    def unsubscribe_soon(self, name: str) -> None:
        if name in self._names:
            self._names.discard(name)
            if self._in.is_up:
                self._command(b"UNSUBSCRIBE", [name])
            else:
                self._acknowledge(name, every=True)

    def _command(self, verb: bytes, names: Iterable[str]) -> None:
        for some in _chunks(names):
            self._in.write(_packed(verb, *some))

    def _subscribe_again(self) -> None:
        """Subscribe to every name after a reconnect.

        One SUBSCRIBE per name answers all that wait for it.
        """
        for name in list(self._acks):
            if name not in self._names:
                self._acknowledge(name, every=True)
        for name in self._names:
            waiting = [ack for some in self._acks.get(name, ()) for ack in some]
            self._acks[name] = deque([waiting])
        if self._was_up:
            self._restoring = set(self._names)
        self._was_up = True
        self._round_trip.begin()
        self._command(b"SUBSCRIBE", self._names)
        if not self._names:
            self._restoring.clear()

    def _on_replies(self, replies: list[Any]) -> None:
        messages = []
        for reply in replies:
            if isinstance(reply, Exception):
                report_fault("layer", reply)
                if self._acks:  # the error names no channel: the next connection subscribes to all again
                    self._in.leave()
            if not isinstance(reply, list):
                continue  # reply to a ping on a connection without subscriptions
            kind = reply[0]
            if kind == b"message" and reply[1] == self._own_channel:
                self._round_trip.heard()
            elif kind == b"message":
                messages.append((reply[1].decode(), reply[2]))
            elif kind == b"subscribe":
                self._acknowledge(reply[1].decode(), every=False)
                if reply[1] == self._own_channel:
                    self._round_trip.send()
        if messages:
            self._arrived(messages)

    def _acknowledge(self, name: str, *, every: bool) -> None:
        acks = self._acks.get(name)
        while acks:
            for ack in acks.popleft():
                if not ack.done():
                    ack.set_result(None)
            if not every:
                break
        if not acks:
            self._acks.pop(name, None)
        if self._restoring:
            self._restoring.discard(name)
            if not self._restoring:
                self._restored()


def _packed(*words: str | bytes) -> bytes:
    return hiredis.pack_command(words)  # type: ignore[arg-type]  # its stub says a tuple of one


def _chunks(names: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(names)
    while some := list(islice(rest, NAMES_A_COMMAND)):
        yield some
