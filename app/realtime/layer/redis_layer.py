"""The channel layer on Redis: channels_redis' pub/sub layer with its connections replaced.

Kept from channels_redis: names, serialisation, shards by consistent hashing, the whole of the Channels layer
specification. Replaced: each shard (realtime/layer/redis_shard.py) has one connection that publishes and one that listens
(realtime/layer/redis_link.py). They parse in C without polling, write in one go what came together, are bounded, find out when
Redis hangs, subscribe again to what they knew, and tell the hub then. What was published meanwhile is lost, as with any
layer: the log is the truth.
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

# Messages a channel holds that nobody receives; above it new ones are dropped.
CAPACITY = 10_000


class Listener:
    """What a channel is delivered to without a queue. All calls are made on the event loop and must not wait."""

    def __init__(self, messages: Callable[[list[bytes]], None], restored: Callable[[], None]) -> None:
        # All that came out of one read, serialised, in order.
        self.messages = messages
        # Subscribed again after a lost connection: what was published meanwhile is lost.
        self.restored = restored


class RedisLayer(RedisPubSubChannelLayer):
    """`BACKEND` of CHANNEL_LAYERS."""

    def loop_layer(self) -> RedisLoopLayer:
        """The running event loop's layer itself: reached through the proxy, each call would look for it."""
        return self._get_layer()

    def _get_layer(self) -> RedisLoopLayer:
        loop = asyncio.get_running_loop()
        layer: RedisLoopLayer | None = self._layers.get(loop)
        if layer is None:
            layer = self._layers[loop] = RedisLoopLayer(*self._args, **self._kwargs, channel_layer=self)
            _wrap_close(self, loop)
        return layer


class RedisLoopLayer(RedisPubSubLoopLayer):
    """The layer of one event loop, with a door for the hub: `listen`, `publish_soon`, `add_soon`, `discard_soon`."""

    def __init__(self, hosts: Any = None, *, prefix: str | None = "asgi", **options: Any) -> None:
        """`prefix` None: that of the installation; while it is not known, all names wait for `join`."""
        if prefix is None and (identity := installation.known()):
            prefix = installation.shared_name("", identity)
        super().__init__(hosts, prefix=prefix or "", **options)
        self._joined = prefix is not None
        self._shards = [Shard(host, self._arrived, self._restored) for host in decode_hosts(hosts)]
        self._listeners: dict[str, Listener] = {}
        # The channel of `listen`, after which the one of the round trips is named.
        self._checked: str | None = None
        # Groups asked for before `join`, with the channel.
        self._early: dict[str, str] = {}

    async def _subscribe_to_channel(self, channel: str) -> None:
        self.channels[channel] = asyncio.Queue(CAPACITY)
        await self._get_shard(channel).subscribe(channel)

    def _get_group_channel_name(self, group: str) -> str:
        if not self._joined:
            raise RuntimeError("the channel layer waits for the installation's id")
        return f"{self.prefix}__group__{group}"

    async def flush(self) -> None:
        self._listeners.clear()
        await super().flush()

    # --- the hub's door

    @property
    def healthy(self) -> bool:
        """Whether every shard answers."""
        return self._joined and all(shard.is_up for shard in self._shards)

    def listen(self, channel: str, listener: Listener) -> None:
        """Delivers the groups of a channel of this process to `listener`, without a queue."""
        self._listeners[channel] = listener
        self._checked = channel
        if self._joined:
            self._start(channel)

    def hear(self, channel: str, listener: Listener) -> None:
        """`listen` of a channel that alone starts no connection."""
        self._listeners[channel] = listener

    def join(self, prefix: str) -> None:
        """Start, with names that begin with `prefix`; groups asked for before are subscribed to now."""
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
        """`group_send` that waits for nothing; False when it was dropped, because Redis is away or does not keep up."""
        if not self._joined:
            return False
        return self.publish_as(self._get_group_channel_name(group), message)

    def publish_as(self, name: str, message: dict[str, Any]) -> bool:
        """`publish_soon` under the whole name that the group has in Redis."""
        return bool(self._get_shard(name).publish_soon(name, self.channel_layer.serialize(message), None))

    def add_soon(self, groups: Iterable[str], channel: str) -> list[asyncio.Future[None]]:
        """`group_add` for many; a future for each shard, done when Redis has taken all. Never fails: kept until it does."""
        if not self._joined:
            for group in groups:
                self._early[group] = channel
            return []
        return self.add_as(map(self._get_group_channel_name, groups), channel)

    def add_as(self, names: Iterable[str], channel: str) -> list[asyncio.Future[None]]:
        """`add_soon` by the whole names that the groups have in Redis."""
        by_shard: dict[Any, list[str]] = {}
        for name in names:
            self.groups.setdefault(name, set()).add(channel)
            by_shard.setdefault(self._get_shard(name), []).append(name)
        return [shard.subscribe_soon(names) for shard, names in by_shard.items()]

    def discard_soon(self, group: str, channel: str) -> None:
        """`group_discard` that waits for nothing."""
        if not self._joined:
            self._early.pop(group, None)
            return
        self.discard_as(self._get_group_channel_name(group), channel)

    def discard_as(self, name: str, channel: str) -> None:
        """`discard_soon` by the whole name that the group has in Redis."""
        members = self.groups.get(name, set())
        members.discard(channel)
        if not members and self.groups.pop(name, None) is not None:
            self._get_shard(name).unsubscribe_soon(name)

    def address(self, group: str) -> tuple[int, str]:
        """The shard (its index) and the Redis channel that carry a group's messages."""
        name = self._get_group_channel_name(group)
        return self._shards.index(self._get_shard(name)), name

    def serialize(self, message: dict[str, Any]) -> bytes:
        """A message as `publish_soon` sends it."""
        return bytes(self.channel_layer.serialize(message))

    def deserialize(self, payload: bytes) -> Any:
        """A message as `Listener` got it."""
        return self.channel_layer.deserialize(payload)

    async def settle(self) -> None:
        """Waits until Redis has what was published, at most ANSWER_S seconds."""
        if not self._joined:
            return
        probes = (shard.publish(self._get_group_channel_name("nobody"), b"") for shard in self._shards)
        await asyncio.gather(*probes, return_exceptions=True)

    # --- what Redis says

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
