"""Where live values are kept for those who join later: Redis.

Nothing without Redis: the process has them.

A sorted set per room: a member is a value as text, its score the time at which it expires. Members never change: a process adds
the new one and removes its own older one, so that no write undoes another process's. Readers take the newest of
each key.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterator
from itertools import groupby
from typing import Any, NamedTuple

import msgspec
import structlog
from django.conf import settings
from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.redis_faults import report_fault
from core.redis_urls import client_for
from db import installation
from realtime.events import encode
from realtime.live_topic import Value

FAULTS = (RedisError, OSError, TimeoutError)
# Values of one pipeline, and members read of one room.
MANY = 500
MOST_READ = 20_000
# Values that wait while Redis is away; the oldest are dropped above it, and stored again once it is back.
WAITING = 10_000
WAIT_S = 2.0
# Members of one key that may be left to remove after writes of unknown outcome.
MOST_OLD = 8

logger = structlog.get_logger(__name__)

# Room, topic and key.
Place = tuple[int, str, str]
Spawn = Callable[[Coroutine[Any, Any, None]], Any]


class Stored(NamedTuple):
    topic: str
    value: Value


class Write(NamedTuple):
    place: Place
    # The member to add; None: only remove.
    text: str | None
    expires: float
    # Members to remove.
    old: list[str]
    # Whether the value has ended: what other processes have stored of it goes, too.
    ended: bool


class LiveStore:
    """Keeps nothing."""

    def put(self, room: int, topic: str, value: Value) -> None:
        """Keep a value until it expires."""

    def drop(self, room: int, topic: str, key: str) -> None:
        """Remove what this process has put of a key."""

    async def read(self, rooms: list[int]) -> list[tuple[int, str, Value]] | None:
        """Return the newest value of each (room, topic, key).

        None when the store does not answer.
        """
        return []

    async def close(self) -> None:
        """Write the waiting values, within a limit."""


class RedisLiveStore(LiveStore):
    """Writes in the background; of each key only the newest value waits."""

    def __init__(self, spawn: Spawn, connect: Callable[[], Redis]) -> None:
        self._spawn, self._connect = spawn, connect
        self._waiting: OrderedDict[Place, Write] = OrderedDict()
        # The member that this process has added for a key, or may have.
        self._added: dict[Place, str] = {}
        self._writer: Any = None
        self._client: Redis | None = None
        self._decoder = msgspec.json.Decoder(Stored)

    def put(self, room: int, topic: str, value: Value) -> None:
        self._wait((room, topic, value.key), encode(Stored(topic, value)), value.expires, ended=value.value is None)

    def drop(self, room: int, topic: str, key: str) -> None:
        if (room, topic, key) in self._added or (room, topic, key) in self._waiting:
            self._wait((room, topic, key), None, 0.0)

    async def read(self, rooms: list[int]) -> list[tuple[int, str, Value]] | None:
        try:
            async with asyncio.timeout(WAIT_S):
                await installation.wait_for_identity()
                pipeline, now = self._redis().pipeline(transaction=False), time.time()
                for room in rooms:
                    pipeline.zremrangebyscore(_name(room), "-inf", now)
                    pipeline.zrange(_name(room), 0, MOST_READ - 1)
                members = (await pipeline.execute())[1::2]
                newest = [self._newest(texts) for texts in members]
                await self._remove({room: old for room, (_, old) in zip(rooms, newest, strict=True) if old})
        except FAULTS as error:
            report_fault("live", error)
            return None
        return [(room, *one) for room, (found, _) in zip(rooms, newest, strict=True) for one in found]

    async def close(self) -> None:
        if self._writer is not None and not self._writer.done():
            await asyncio.wait([self._writer], timeout=WAIT_S)
        if self._client is not None:
            await self._client.aclose()

    # --- writing

    def _wait(self, place: Place, text: str | None, expires: float, *, ended: bool = False) -> None:
        before = self._waiting.pop(place, None)
        added = self._added.get(place)
        old = [*(before.old if before else []), *([added] if added is not None else [])]
        self._waiting[place] = Write(place, text, expires, [one for one in old if one != text][-MOST_OLD:], ended)
        if len(self._waiting) > WAITING:
            self._waiting.popitem(last=False)
        if self._writer is None or self._writer.done():
            self._writer = self._spawn(self._write())

    async def _write(self) -> None:
        while self._waiting:
            part = [self._waiting.popitem(last=False)[1] for _ in range(min(MANY, len(self._waiting)))]
            for one in part:
                if one.text is None:
                    self._added.pop(one.place, None)
                else:
                    self._added[one.place] = one.text
            try:
                async with asyncio.timeout(WAIT_S):
                    await installation.wait_for_identity()
                    await self._write_part(part)
                ended = [one for one in part if one.ended]
                if ended and await self.read(list({one.place[0] for one in ended})) is None:
                    self._put_back(ended)  # reading removes what is older than the end
            except FAULTS as error:
                report_fault("live", error)
                self._put_back(part)
                await asyncio.sleep(random.uniform(0.3, 1.0))  # noqa: S311

    def _put_back(self, part: list[Write]) -> None:
        for one in reversed(part):
            newer = self._waiting.get(one.place)
            if newer is None:
                self._waiting[one.place] = one
                self._waiting.move_to_end(one.place, last=False)
            else:
                self._waiting[one.place] = newer._replace(old=[*newer.old, *one.old][:MOST_OLD])

    async def _write_part(self, part: list[Write]) -> None:
        pipeline, now = self._redis().pipeline(transaction=False), time.time()
        for room, writes in groupby(sorted(part, key=_room_of), _room_of):
            name, added, old = _name(room), {}, []
            for one in writes:
                old += one.old
                if one.text is not None and one.expires > now:
                    added[one.text] = one.expires
            pipeline.zremrangebyscore(name, "-inf", now)
            if old:
                pipeline.zrem(name, *old)
            if added:
                pipeline.zadd(name, added)
                seconds = math.ceil(max(added.values()) - now) + 1
                pipeline.expire(name, seconds, nx=True)
                pipeline.expire(name, seconds, gt=True)
        await pipeline.execute()

    # --- reading

    def _newest(self, texts: list[str]) -> tuple[list[Stored], list[str]]:
        """Return the newest value of each key, and the members that are older."""
        newest: dict[tuple[str, str], tuple[str, Stored]] = {}
        old = []
        for text, one in self._decoded(texts):
            known = newest.get((one.topic, one.value.key))
            if known is not None and not one.value.is_newer_than(known[1].value):
                old.append(text)
                continue
            if known is not None:
                old.append(known[0])
            newest[one.topic, one.value.key] = text, one
        return [one for _, one in newest.values()], old

    def _decoded(self, texts: list[str]) -> Iterator[tuple[str, Stored]]:
        for text in texts:
            try:
                yield text, self._decoder.decode(text)
            except msgspec.DecodeError as error:  # of another release
                logger.warning("a stored live value cannot be read", error=str(error))

    async def _remove(self, old: dict[int, list[str]]) -> None:
        if old:
            pipeline = self._redis().pipeline(transaction=False)
            for room, members in old.items():
                pipeline.zrem(_name(room), *members)
            await pipeline.execute()

    def _redis(self) -> Redis:
        if self._client is None:
            self._client = self._connect()
        return self._client


def store_for(spawn: Spawn) -> LiveStore:
    return RedisLiveStore(spawn, lambda: client_for(settings.REDIS_SHARDS[0])) if settings.REDIS_SHARDS else LiveStore()


def _room_of(one: Write) -> int:
    return one.place[0]


def _name(room: int) -> str:
    return installation.shared_name(f"live:{room}", installation.identity())
