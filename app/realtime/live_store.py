"""Where live values are kept for those who join later: Redis, one hash a room. Nothing without Redis: the process has them."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from django.conf import settings
from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.redis_faults import report_fault
from core.redis_urls import client_for
from db import installation
from realtime.events import encode

FAULTS = (RedisError, OSError, TimeoutError)
# Values of one pipeline.
MANY = 500
# Values that wait while Redis is away; the oldest are dropped above it, and sent again once it is back.
WAITING = 50_000
WAIT_S = 2.0

Stored = dict[int, dict[str, list[list[Any]]]]
"""Room → topic → values, as they were put."""
Spawn = Callable[[Coroutine[Any, Any, None]], Any]


class LiveStore:
    """Keeps nothing."""

    def put(self, room: int, topic: str, key: str, value: list[Any] | None, expires: float) -> None:
        """Keep a value until `expires` (seconds since 1970); None deletes it."""

    async def read(self, rooms: list[int]) -> Stored:
        """Return what is kept of each room. Empty where Redis does not answer: it is read again once it does."""
        return {}

    async def close(self) -> None:
        """Write what waits, within a limit."""


class RedisLiveStore(LiveStore):
    """Writes in the background; of each key only the newest value waits."""

    def __init__(self, spawn: Spawn) -> None:
        self._spawn = spawn
        self._waiting: OrderedDict[tuple[int, str], tuple[list[Any] | None, float]] = OrderedDict()
        self._writer: Any = None
        self._client: Redis | None = None

    def put(self, room: int, topic: str, key: str, value: list[Any] | None, expires: float) -> None:
        place = (room, f"{topic}:{key}")
        self._waiting[place] = (value, expires)
        self._waiting.move_to_end(place)
        if len(self._waiting) > WAITING:
            self._waiting.popitem(last=False)
        if self._writer is None or self._writer.done():
            self._writer = self._spawn(self._write())

    async def read(self, rooms: list[int]) -> Stored:
        try:
            async with asyncio.timeout(WAIT_S):
                pipeline = self._redis().pipeline(transaction=False)
                for room in rooms:
                    pipeline.hgetall(_name(room))
                hashes = await pipeline.execute()
        except FAULTS as error:
            report_fault("live", error)
            return {}
        found: Stored = {}
        for room, fields in zip(rooms, hashes, strict=True):
            for field, text in fields.items():
                topic = bytes(field).decode().partition(":")[0]
                found.setdefault(room, {}).setdefault(topic, []).append(msgspec.json.decode(text))
        return found

    async def close(self) -> None:
        if self._writer is not None and not self._writer.done():
            await asyncio.wait([self._writer], timeout=WAIT_S)
        if self._client is not None:
            await self._client.aclose()

    async def _write(self) -> None:
        while self._waiting:
            part = [self._waiting.popitem(last=False) for _ in range(min(MANY, len(self._waiting)))]
            try:
                async with asyncio.timeout(WAIT_S):
                    await self._write_part(part)
            except FAULTS as error:
                report_fault("live", error)
                for place, value in reversed(part):
                    if place not in self._waiting:  # a newer one may have come
                        self._waiting[place] = value
                        self._waiting.move_to_end(place, last=False)
                await asyncio.sleep(random.uniform(0.3, 1.0))  # noqa: S311

    async def _write_part(self, part: list[tuple[tuple[int, str], tuple[list[Any] | None, float]]]) -> None:
        pipeline, now = self._redis().pipeline(transaction=False), time.time()
        last: dict[int, float] = {}
        for (room, field), (value, expires) in part:
            if value is None or expires <= now:
                pipeline.hdel(_name(room), field)
            else:
                pipeline.hset(_name(room), field, encode(value))
                last[room] = max(expires, last.get(room, 0.0))
        for room, expires in last.items():
            seconds = math.ceil(expires - now) + 1
            pipeline.expire(_name(room), seconds, nx=True)
            pipeline.expire(_name(room), seconds, gt=True)
        await pipeline.execute()

    def _redis(self) -> Redis:
        if self._client is None:
            self._client = client_for(settings.REDIS_SHARDS[0])
        return self._client


def store_for(spawn: Spawn) -> LiveStore:
    return RedisLiveStore(spawn) if settings.REDIS_SHARDS else LiveStore()


def _name(room: int) -> str:
    return installation.shared_name(f"live:{room}", installation.identity())
