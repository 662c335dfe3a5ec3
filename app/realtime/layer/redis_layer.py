"""The channel layer on Redis: channels_redis' pub/sub layer with new connections.

Kept from channels_redis: names, serialisation, shards by consistent hashing, and the whole Channels layer specification.
Replaced: each shard (realtime/layer/redis_shard.py) has one connection to publish and one to subscribe
(realtime/layer/redis_link.py). They parse in C without polling, coalesce writes, are bounded, detect a hanging Redis,
subscribe again after a reconnect, and then notify the hub. Messages published in between are lost, as with any layer: the
log is the truth.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from channels_redis.pubsub import RedisPubSubChannelLayer, RedisPubSubLoopLayer
from channels_redis.utils import _wrap_close, decode_hosts

from core import metrics
from db import installation
from realtime.layer.redis_shard import Shard

# Messages a channel keeps for its receiver; above it new ones are dropped.
CAPACITY = 10_000
# How long a command, or a consumer of a process that has just started, waits for the installation's id.
IDENTITY_S = 5.0


class Listener:
    """Callbacks that receive a channel's messages without a queue, on the event loop.

    They must not wait.
    """

    def __init__(self, messages: Callable[[list[bytes]], None], restored: Callable[[], None]) -> None:
        # All messages of one read, serialised, in order.
        self.messages = messages
        # Called after a reconnect: messages published in between are lost.
        self.restored = restored


class RedisLayer(RedisPubSubChannelLayer):
    """`BACKEND` of CHANNEL_LAYERS."""

    def loop_layer(self) -> RedisLoopLayer:
        """Return the layer of the running event loop.

        The proxy would look it up at each call.
        """
        return self._get_layer()

    def _get_layer(self) -> RedisLoopLayer:
        loop = asyncio.get_running_loop()
        layer: RedisLoopLayer | None = self._layers.get(loop)
        if layer is None:
            layer = self._layers[loop] = RedisLoopLayer(*self._args, **self._kwargs, channel_layer=self)
            _wrap_close(self, loop)
        return layer


class RedisLoopLayer(RedisPubSubLoopLayer):
    """The layer of one event loop, with extra methods for the hub.

    These are `listen`, `publish_soon`, `add_soon` and `discard_soon`.
    """

    def __init__(self, hosts: Any = None, *, prefix: str | None = "asgi", **options: Any) -> None:
        """`prefix` None uses the installation's.

        Until it is known, all names wait for `join`.
        """
        if prefix is None and (identity := installation.known()):
            prefix = installation.shared_name("", identity)
        super().__init__(hosts, prefix=prefix or "", **options)
        self._joined = prefix is not None
        self._shards = [Shard(host, self._arrived, self._restored) for host in decode_hosts(hosts)]
        self._listeners: dict[str, Listener] = {}
        # The channel of `listen`; the round trips' channel is named after it.
        self._checked: str | None = None
        # Groups requested before `join`, with their channel.
        self._early: dict[str, str] = {}

    async def _subscribe_to_channel(self, channel: str) -> None:
        self.channels[channel] = asyncio.Queue(CAPACITY)
        await self._get_shard(channel).subscribe(channel)

    def _get_group_channel_name(self, group: str) -> str:
        if not self._joined:
            raise RuntimeError("the channel layer waits for the installation's id")
        return f"{self.prefix}__group__{group}"

    # --- the layer of consumers and commands: Channels' own methods, once the names are known

    async def _names_known(self) -> None:
        if not self._joined:
            async with asyncio.timeout(IDENTITY_S):
                self.join(installation.shared_name("", await installation.wait_for_identity()))

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        await self._names_known()
        await super().send(channel, message)

    async def new_channel(self, prefix: str = "specific.") -> str:
        await self._names_known()
        return str(await super().new_channel(prefix))

    async def group_add(self, group: str, channel: str) -> None:
        await self._names_known()
        await super().group_add(group, channel)

    async def group_discard(self, group: str, channel: str) -> None:
        await self._names_known()
        await super().group_discard(group, channel)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        await self._names_known()
        await super().group_send(group, message)

    async def flush(self) -> None:
        self._listeners.clear()
        await super().flush()

    # --- methods for the hub

    @property
    def healthy(self) -> bool:
        """Return whether every shard answers."""
        return self._joined and all(shard.is_up for shard in self._shards)

    def listen(self, channel: str, listener: Listener) -> None:
        """Deliver the groups of a local channel to `listener`, without a queue."""
        self._listeners[channel] = listener
        self._checked = channel
        if self._joined:
            self._start(channel)

    def hear(self, channel: str, listener: Listener) -> None:
        """Listen on a channel without starting a connection for it."""
        self._listeners[channel] = listener

    def join(self, prefix: str) -> None:
        """Start with names that begin with `prefix`; subscribe to all earlier groups."""
        if not self._joined:
            self.prefix, self._joined = prefix, True
            early, self._early = self._early, {}
            for group, channel in early.items():
                self.add_soon([group], channel)
            if self._checked is not None:
                self._start(self._checked)

    def _start(self, channel: str) -> None:
        for shard in self._shards:
            shard.check(f"{self.prefix}check.{channel}")

    def publish_soon(self, group: str, message: dict[str, Any]) -> bool:
        """Send to a group without waiting.

        Return False if it was dropped: Redis is down or too slow.
        """
        if not self._joined:
            return False
        return self.publish_as(self._get_group_channel_name(group), message)

    def publish_as(self, name: str, message: dict[str, Any]) -> bool:
        """Publish as `publish_soon` does, by the group's full name in Redis."""
        return bool(self._get_shard(name).publish_soon(name, self.channel_layer.serialize(message), None))

    def add_soon(self, groups: Iterable[str], channel: str) -> list[asyncio.Future[None]]:
        """Add many groups.

        Return a future per shard, done when Redis has subscribed all; it retries until then.
        """
        if not self._joined:
            for group in groups:
                self._early[group] = channel
            return []
        return self.add_as(map(self._get_group_channel_name, groups), channel)

    def add_as(self, names: Iterable[str], channel: str) -> list[asyncio.Future[None]]:
        """Add as `add_soon` does, by the groups' full names in Redis."""
        by_shard: dict[Any, list[str]] = {}
        for name in names:
            self.groups.setdefault(name, set()).add(channel)
            by_shard.setdefault(self._get_shard(name), []).append(name)
        return [shard.subscribe_soon(names) for shard, names in by_shard.items()]

    def discard_soon(self, group: str, channel: str) -> None:
        """Discard a group without waiting."""
        if not self._joined:
            self._early.pop(group, None)
            return
        self.discard_as(self._get_group_channel_name(group), channel)

    def discard_as(self, name: str, channel: str) -> None:
        """Discard as `discard_soon` does, by the group's full name in Redis."""
        members = self.groups.get(name, set())
        members.discard(channel)
        if not members and self.groups.pop(name, None) is not None:
            self._get_shard(name).unsubscribe_soon(name)

    def address(self, group: str) -> tuple[int, str]:
        """Return the shard's index and the Redis channel that carry a group's messages."""
        name = self._get_group_channel_name(group)
        return self._shards.index(self._get_shard(name)), name

    def serialize(self, message: dict[str, Any]) -> bytes:
        """Serialise a message as `publish_soon` sends it."""
        return bytes(self.channel_layer.serialize(message))

    def deserialize(self, payload: bytes) -> Any:
        """Deserialise a message as a `Listener` received it."""
        return self.channel_layer.deserialize(payload)

    async def settle(self) -> None:
        """Wait at most ANSWER_S seconds until Redis has accepted all published messages."""
        if not self._joined:
            return
        probes = (shard.publish(self._get_group_channel_name("nobody"), b"") for shard in self._shards)
        await asyncio.gather(*probes, return_exceptions=True)

    # --- callbacks of the shards

    def _arrived(self, messages: list[tuple[str, bytes]]) -> None:
        heard: dict[str, list[bytes]] = {}
        for name, data in messages:
            for channel in (name,) if name in self.channels else self.groups.get(name, ()):
                if channel in self._listeners:
                    heard.setdefault(channel, []).append(data)
                elif channel in self.channels:
                    self._queue(channel, data)
        for channel, payloads in heard.items():
            self._listeners[channel].messages(payloads)

    def _queue(self, channel: str, data: bytes) -> None:
        try:
            self.channels[channel].put_nowait(data)
        except asyncio.QueueFull:
            metrics.LAYER_DROPPED.inc()

    def _restored(self) -> None:
        for listener in self._listeners.values():
            listener.restored()
