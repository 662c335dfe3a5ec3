"""Exchange messages with the release that had no installation id in Redis names.

This serves the roll away from that release.

Its processes hold leases in `presence:alive` of the same Redis database. While leases exist, room logs are also published
and read under the old names. Only messages of these processes count: another installation on the server uses another
database. This stops OLD_FOR_S after the start of a process. Presence and typing are not exchanged; revoked access takes
effect within 3 s, by the poll of the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Iterable
from typing import Any

import structlog
from django.conf import settings
from redis.exceptions import RedisError

from core.redis_urls import client_for

logger = structlog.get_logger(__name__)

CHECK_EVERY_S = 3.0
OLD_FOR_S = 3600.0
PREFIX = "hubbub:"
LEASES = "presence:alive"


class OldNames:
    """Publishes and reads under the old names while there are `origins`.

    `origins` are the living processes of the old release.
    """

    def __init__(self, layer: Any, channel: str) -> None:
        """`channel` is the local channel that receives the messages under the old names."""
        self._layer, self._channel = layer, channel
        self.origins: frozenset[str] = frozenset()
        self._groups: set[str] = set()
        self._end_at = time.monotonic() + OLD_FOR_S

    def publish(self, group: str, message: dict[str, Any]) -> None:
        if self.origins and message["kind"] == "log":
            self._layer.publish_as(_name(group), message)

    def add(self, groups: Iterable[str]) -> None:
        new = {group for group in groups if group.startswith("room.")}
        self._groups |= new
        if self.origins:
            self._layer.add_as(map(_name, new), self._channel)

    def discard(self, group: str) -> None:
        self._groups.discard(group)
        if self.origins:
            self._layer.discard_as(_name(group), self._channel)

    def believed(self, message: dict[str, Any]) -> bool:
        return message.get("kind") == "log" and message.get("origin") in self.origins

    async def run(self) -> None:
        """Look for processes of the old release until OLD_FOR_S have passed."""
        client = client_for(settings.REDIS_SHARDS[0])
        try:
            while time.monotonic() < self._end_at:
                # A user without the right to read this key has no such processes.
                with contextlib.suppress(RedisError, OSError, TimeoutError):
                    self._set(frozenset(await client.zrangebyscore(LEASES, time.time(), "+inf")))
                await asyncio.sleep(CHECK_EVERY_S * random.uniform(0.8, 1.2))  # noqa: S311
        finally:
            self._set(frozenset())
            await client.aclose()

    def _set(self, origins: frozenset[str]) -> None:
        before, self.origins = self.origins, origins
        if origins and not before:
            logger.info("processes of the release before are here; rooms have their old names, too", processes=len(origins))
            self._layer.add_as(map(_name, self._groups), self._channel)
        elif before and not origins:
            logger.info("the processes of the release before are gone, and the old names with them")
            for group in self._groups:
                self._layer.discard_as(_name(group), self._channel)


def _name(group: str) -> str:
    return f"{PREFIX}__group__{group}"
