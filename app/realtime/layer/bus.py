"""Connect the hub to the channel layer.

A process has one channel, and joins a group for each room and person that it serves.

`Bus` works on any layer with groups. Messages go through one bounded queue. A message that the layer does not accept within
SEND_S is dropped and counted; the receiving hub notices the gap and reads the log. `DirectBus` uses the extra methods
of our own layer (realtime/layer/redis_layer.py), without tasks and queues.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import structlog
from channels.layers import get_channel_layer
from redis.exceptions import RedisError

from core import metrics
from core.supervise import cancel_all, run_forever
from realtime.layer.old_names import OldNames
from realtime.layer.redis_layer import Listener

logger = structlog.get_logger(__name__)

SEND_S = 2.0
QUEUE = 10_000
PROBE_EVERY_S = 2.0
STALE_S = 5.0
# The first bytes of a serialised message: they contain its origin and the kind of a heartbeat.
HEAD = 64
# The kind of a heartbeat, within these bytes.
BEAT = b"beat"
# How long an opening room waits for its group. The poll of the heads covers a later subscription.
JOIN_S = 0.5
FAULTS = (RedisError, OSError, TimeoutError, RuntimeError)


Message = dict[str, Any]
# Delivers messages that arrived together, without this process's own: each of them once, even if another one fails.
Deliver = Callable[[list[Message]], None]


def bus_for(origin: str, deliver: Deliver, restored: Callable[[], None]) -> Bus:
    """Create the bus for the configured layer.

    `restored` is called after messages may have been lost.
    """
    layer: Any = get_channel_layer()
    if hasattr(type(layer), "loop_layer"):
        return DirectBus(origin, deliver, restored, layer.loop_layer())
    return Bus(origin, deliver, restored, layer)


class Bus:
    def __init__(self, origin: str, deliver: Deliver, restored: Callable[[], None], layer: Any) -> None:
        self.origin, self._deliver, self.restored, self.layer = origin, deliver, restored, layer
        self.channel: str | None = None
        # False from a failure of the layer until its next success.
        self._healthy = True
        self._out: asyncio.Queue[tuple[float, str, Message]] = asyncio.Queue(QUEUE)
        self._wanted: set[str] = set()
        self._joined: set[str] = set()
        self._changed = asyncio.Event()
        self._progress = asyncio.Event()
        self._probe_at = 0.0
        # Monotonic time of this process's last heartbeat that came back through the layer.
        self.echoed_at = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        loops = (self._receive, self._send, self._reconcile)
        self._tasks = [asyncio.get_running_loop().create_task(run_forever(loop)) for loop in loops]

    def join(self, prefix: str) -> None:
        """Ignore the prefix: no other installation can reach a layer within the process."""

    async def stop(self) -> None:
        """Send the queue within a time limit, then leave the layer."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SEND_S):
                await self._out.join()
        await cancel_all(self._tasks)

    @property
    def healthy(self) -> bool:
        return self._healthy

    def send(self, group: str, message: Message) -> None:
        try:
            self._out.put_nowait((time.monotonic(), group, self._signed(message)))
        except asyncio.QueueFull:
            metrics.LAYER_DROPPED.inc()

    async def subscribe(self, groups: Iterable[str]) -> None:
        """Subscribe to groups, waiting at most JOIN_S.

        Late subscriptions are retried in the background.
        """
        asked = set(groups)
        self._wanted |= asked
        self._changed.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(JOIN_S):
                while self.healthy and not asked <= self._joined:
                    await self._progress.wait()

    def unsubscribe(self, group: str) -> None:
        self._wanted.discard(group)
        self._changed.set()

    async def _reconcile(self) -> None:
        """Join and leave groups in one task until the layer matches the wanted groups."""
        if time.monotonic() >= self._probe_at:  # when idle, check whether the layer responds
            self._probe_at = time.monotonic() + PROBE_EVERY_S
            self.send("nobody", {"kind": "probe"})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(random.uniform(0.2, 0.5)):  # noqa: S311
                await self._changed.wait()
        self._changed.clear()
        if self.channel is None:
            return
        try:
            for group in self._wanted - self._joined:
                await self._call(self.layer.group_add, group)
                self._joined.add(group)
            for group in self._joined - self._wanted:
                await self._leave(group)
        except FAULTS as error:
            self._failed(error)
        finally:
            self._signal_progress()
        if not self.healthy:
            await asyncio.sleep(random.uniform(0.2, 0.5))  # noqa: S311

    async def _leave(self, group: str) -> None:
        """Leave a group, unless it has become wanted meanwhile.

        Who subscribes during the call waits for the next join.
        """
        if group in self._wanted:
            return
        self._joined.discard(group)
        try:
            await self._call(self.layer.group_discard, group)
        except FAULTS:
            self._joined.add(group)  # it may not have left
            raise

    async def _call(self, method: Callable[[str, str | None], Awaitable[None]], group: str) -> None:
        async with asyncio.timeout(SEND_S):
            await method(group, self.channel)

    def _signal_progress(self) -> None:
        reached, self._progress = self._progress, asyncio.Event()
        reached.set()

    def _failed(self, error: Exception) -> None:
        if self._healthy:
            logger.warning("channel layer unavailable; messages to other processes wait in the log", error=str(error))
        self._healthy = False
        self._signal_progress()

    def _signed(self, message: Message) -> Message:
        return {"type": "hub", "origin": self.origin, **message}

    def arrived(self, messages: list[Message]) -> None:
        """Deliver the messages of other processes, once."""
        others = [message for message in messages if message.get("origin") != self.origin]  # local sockets have them already
        try:
            self._deliver(others)
        except Exception:
            # Not again: some of them have reached sockets. The polls read lost events.
            metrics.HANDLER_FAILURES.labels("layer").inc()
            logger.exception("messages of the layer failed", number=len(others))

    async def _send(self) -> None:
        queued_at, group, message = await self._out.get()
        try:
            if message["kind"] == "signal" and time.monotonic() - queued_at > STALE_S:
                return  # typing is out of date by the time the layer is back
            async with asyncio.timeout(SEND_S):
                await self.layer.group_send(group, message)
            if not self._healthy:
                self._healthy = True
                self.restored()
        except FAULTS as error:
            metrics.LAYER_DROPPED.inc()
            self._failed(error)
        finally:
            self._out.task_done()

    async def _receive(self) -> None:
        try:
            if self.channel is None:
                async with asyncio.timeout(SEND_S):
                    self.channel = await self.layer.new_channel("hub")
                self._changed.set()
            message = await self.layer.receive(self.channel)
        except FAULTS as error:
            self._failed(error)
            await asyncio.sleep(random.uniform(0.5, 2.0))  # noqa: S311
            return
        self.arrived([message])


class DirectBus(Bus):
    """A bus without queue and task.

    The layer itself reconnects, subscribes again and reports it.
    """

    _old: OldNames | None = None  # None before the start

    def start(self) -> None:
        self.channel = f"hub.{self.origin}"
        self._marker = self.origin.encode()
        self.layer.listen(self.channel, Listener(self._payloads, self.restored))
        old = f"{self.channel}.old"
        self._old = OldNames(self.layer, old)
        self.layer.hear(old, Listener(self._old_payloads, lambda: None))

    def join(self, prefix: str) -> None:
        """Join the layer under this installation's names.

        Nothing is sent or received before.
        """
        self.layer.join(prefix)
        if self._old is not None:
            self._tasks.append(asyncio.get_running_loop().create_task(self._old.run()))

    async def stop(self) -> None:
        await cancel_all(self._tasks)
        if self.healthy:
            await self.layer.settle()
        await self.layer.flush()

    @property
    def healthy(self) -> bool:
        return bool(self.layer.healthy)

    def send(self, group: str, message: Message) -> None:
        signed = self._signed(message)
        if not self.layer.publish_soon(group, signed):
            metrics.LAYER_DROPPED.inc()
        if self._old is not None and self._old.origins:
            self._old.publish(group, signed)

    async def subscribe(self, groups: Iterable[str]) -> None:
        groups = list(groups)
        if self._old is not None:
            self._old.add(groups)
        taken = self.layer.add_soon(groups, self.channel)
        if taken and self.healthy:
            await asyncio.wait(taken, timeout=JOIN_S)

    def unsubscribe(self, group: str) -> None:
        if self._old is not None:
            self._old.discard(group)
        self.layer.discard_soon(group, self.channel)

    def _payloads(self, payloads: list[bytes]) -> None:
        messages = self._decoded(payloads)
        if messages:
            self.arrived(messages)

    def _old_payloads(self, payloads: list[bytes]) -> None:
        believed = [message for message in self._decoded(payloads) if self._old is not None and self._old.believed(message)]
        if believed:
            self.arrived(believed)

    def _decoded(self, payloads: list[bytes]) -> list[Message]:
        messages = []
        for payload in payloads:
            if self._marker in payload[:HEAD]:  # our own message: do not decode it
                if BEAT in payload[:HEAD]:
                    self.echoed_at = time.monotonic()
                continue
            try:
                messages.append(self.layer.deserialize(payload))
            except Exception:
                logger.exception("a message of the layer cannot be read", size=len(payload))
        return messages
