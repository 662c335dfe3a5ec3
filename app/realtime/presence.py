"""Who is online in a room: the people with a joined socket, over all processes.

Each process tells the others what changed, through the layer; Redis holds the whole as leases, so that a process that
opens a room late knows it, and what a dead process left behind expires by itself. Without Redis: this process only.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Container, Iterable
from typing import Any

from django.conf import settings
from redis.exceptions import RedisError

from ops import installation, redis_faults
from ops.redis_urls import ANSWER_S, client_for
from realtime.events import Person

LEASE_S = 30
RENEW_S = 3
"""A Redis that lost its memory is noticed with the next renewal, and told all again."""
KEPT_S = 3600
"""A room's set in Redis, since it was last written or read."""
EVENT_EVERY_S = 1.0
WRITTEN_S = 3.0
"""By then a process has written to Redis what it told the others, unless Redis fails it longer: then the next pass heals."""
NAMES_UP_TO = 200
LISTED = 100
QUEUE = 20_000


class RoomPresence:
    """One room's people: local ones by count of sockets, remote ones by process."""

    __slots__ = (
        "_heard",
        "_known_to_all",
        "_known_to_some",
        "_told_peers",
        "due",
        "flushed_at",
        "known",
        "local",
        "names",
        "remote",
    )

    def __init__(self) -> None:
        self.local: dict[int, int] = {}
        self.remote: dict[str, set[int]] = {}
        self._heard: dict[tuple[str, int], tuple[float, bool]] = {}
        """(process, user): when that process last told of them and whether they came; the oldest first."""
        self.names: dict[int, str] = {}
        self._known_to_all: set[int] = set()
        """Who every socket was told is online: by the last `presence` frame, or by the reply to a join after it."""
        self._known_to_some: set[int] = set()
        self._told_peers: set[int] = set()
        """Which local people the other processes were told of."""
        self.known = False
        """Whether Redis was read since this process opened the room."""
        self.due = False
        self.flushed_at = 0.0

    def online(self) -> set[int]:
        return set(self.local).union(*self.remote.values()) if self.remote else set(self.local)

    def count(self) -> int:
        return len(self.online())

    def show(self) -> tuple[int, list[dict[str, Any]]]:
        """How many are online, and who (at most LISTED), for a socket that joins: it may know of others than the rest now."""
        now = self.online()
        if now != self._known_to_all or now != self._known_to_some:
            self._known_to_all = self._known_to_all & now
            self._known_to_some = self._known_to_some | now
            self.due = True
        return len(now), self.listed()

    def listed(self) -> list[dict[str, Any]]:
        """At most LISTED people, by name."""
        people = sorted(((self.names.get(user, "?"), user) for user in self.online()), key=lambda p: p[0].casefold())
        return [{"id": user, "name": name} for name, user in people[:LISTED]]

    def join(self, person: Person) -> bool:
        """Whether this is the person's first local socket in the room."""
        count = self.local.get(person.id, 0)
        self.local[person.id] = count + 1
        self.names[person.id] = person.name
        self.due = True
        return count == 0

    def rename(self, person: Person) -> None:
        if person.id in self.names:
            self.names[person.id] = person.name

    def leave(self, person: Person) -> bool:
        """Whether that was the person's last local socket in the room."""
        count = self.local.get(person.id, 0)
        if count > 1:
            self.local[person.id] = count - 1
            return False
        self.local.pop(person.id, None)
        self.due = True
        return count == 1

    def replace_remote(self, people: dict[str, dict[int, str]], asked_at: float, alive: Container[str]) -> None:
        """What Redis holds of the other processes, asked at that monotonic time: it may not know yet what they told meanwhile.

        `alive` are those with a lease; the word of others counts no more.
        """
        self.remote = {process: set(users) for process, users in people.items()}
        for users in people.values():
            self.names.update(users)
        self._forget_heard(asked_at - WRITTEN_S)
        for (process, user), (_, came) in self._heard.items():
            if came and process in alive:
                self.remote.setdefault(process, set()).add(user)
            elif not came:
                self.remote.get(process, set()).discard(user)
        self.due = self.due or self.online() != self._known_to_all

    def forget_processes(self, gone: set[str]) -> bool:
        """Whether anybody was here by one of these processes."""
        here = gone & self.remote.keys()
        for process in here:
            del self.remote[process]
        self._heard = {told: word for told, word in self._heard.items() if told[0] not in gone}
        self.due = self.due or bool(here)
        return bool(here)

    def change_remote(self, process: str, joined: list[Person], left: list[int]) -> None:
        """What another process said."""
        now = time.monotonic()
        self._forget_heard(now - WRITTEN_S - ANSWER_S)
        for user, came in [*((person.id, True) for person in joined), *((user, False) for user in left)]:
            self._heard.pop((process, user), None)  # to its end
            self._heard[process, user] = now, came
        users = self.remote.setdefault(process, set())
        users.update(person.id for person in joined)
        self.names.update({person.id: person.name for person in joined})
        users.difference_update(left)
        if not users:
            del self.remote[process]
        self.due = True

    def _forget_heard(self, before: float) -> None:
        """Nobody's word of that time counts against Redis any more."""
        while self._heard:
            oldest = next(iter(self._heard))
            if self._heard[oldest][0] >= before:
                return
            del self._heard[oldest]

    def take_local_change(self) -> tuple[list[Person], list[int]]:
        """Local people who came and who went since the other processes were last told."""
        now = set(self.local)
        joined, left = now - self._told_peers, self._told_peers - now
        self._told_peers = now
        return [Person(user, self.names.get(user, "?")) for user in sorted(joined)], sorted(left)

    def take_change(self) -> dict[str, Any] | None:
        """The fields of the next `presence` frame; None when every socket knows it all."""
        now = self.online()
        joined, left = now - self._known_to_all, self._known_to_some - now
        self.due = False
        self._known_to_all = self._known_to_some = now
        if not joined and not left:
            return None
        if len(now) > NAMES_UP_TO:
            joined, left = set(), set()
        change = {"online_count": len(now), "joined": self._people(joined), "left": self._people(left)}
        self.names = {user: self.names.get(user, "?") for user in now}
        return change

    def _people(self, users: set[int]) -> list[dict[str, Any]]:
        return [{"id": user, "name": self.names.get(user, "?")} for user in sorted(users)]


class PresenceStore:
    """The leases in Redis: a set `presence:<room>` of `process|user|name`, and `presence:alive`, process → lease end.

    Both names carry the installation's id; until the database has given it, nothing is read or written.
    """

    def __init__(self, process: str) -> None:
        self.process = process
        self.clients = [client_for(shard) for shard in settings.REDIS_SHARDS]
        self.held: set[tuple[int, str]] = set()
        """Every (room, member) this process has in Redis or wants there."""
        self._writes: asyncio.Queue[tuple[str, int, str]] = asyncio.Queue(QUEUE)
        self._unwritten: list[tuple[str, int, str]] = []
        self._overrun = False
        """Whether more was to be written than the queue holds: what Redis has of this process is compared with `held`."""
        self._renewed_at = self._renew_at = 0.0
        self._refused: set[str] = set()
        """`read` and `write`: the last of that kind failed."""
        self.alive: set[str] = set()
        """Processes with a lease, by the last answer of Redis."""
        self.forgot_at = 0.0
        """Monotonic time at which Redis was last found to have lost what it knew."""

    @property
    def works(self) -> bool:
        """Whether Redis took the last write and answered the last question."""
        return not self._refused

    def add(self, room: int, person: Person) -> None:
        self._write("sadd", room, person)

    def remove(self, room: int, person: Person) -> None:
        self._write("srem", room, person)

    async def read(self, room: int) -> dict[str, dict[int, str]] | None:
        """The other live processes' people in a room, by process; None when Redis does not answer."""
        found = await self.read_many([room])
        return None if found is None else found[room]

    async def read_many(self, rooms: list[int]) -> dict[int, dict[str, dict[int, str]]] | None:
        """The same for many rooms with one round trip to each Redis; None too when it has forgotten us, and so maybe all."""
        if installation.known() is None:
            return None
        by_client: dict[Any, list[int]] = {}
        for room in rooms:
            by_client.setdefault(self._client(room), []).append(room)
        found: dict[int, dict[str, dict[int, str]]] = {}
        try:
            async with asyncio.timeout(ANSWER_S):
                for client, some in by_client.items():
                    answer = await self._read_from(client, some)
                    if answer is None:
                        return None
                    found.update(answer)
        except (RedisError, OSError, TimeoutError) as error:
            self._failed("read", error)
            return None
        self._refused.discard("read")
        return found

    async def _read_from(self, client: Any, rooms: list[int]) -> dict[int, dict[str, dict[int, str]]] | None:
        async with client.pipeline(transaction=False) as pipe:
            pipe.zrangebyscore(_alive_key(), time.time(), "+inf")
            for room in rooms:
                pipe.smembers(_key(room))
                pipe.expire(_key(room), KEPT_S)
            alive, *sets = await pipe.execute()
        if self._renewed_at and self.process not in alive:
            self._renew_at = 0.0
            return None
        self.alive = set(alive)
        found, dead = {}, {}
        for room, members in zip(rooms, sets[::2], strict=True):
            found[room], dead[room] = self._people(members, self.alive)
        for room, left in dead.items():
            if left and alive:
                await client.srem(_key(room), *left)
        return found

    def _people(self, members: Iterable[str], alive: set[str]) -> tuple[dict[str, dict[int, str]], list[str]]:
        """What a room's set says of other processes, and its members whose process is dead."""
        people: dict[str, dict[int, str]] = {}
        dead = []
        for member in members:
            process, user, name = (*member.split("|", 2), "", "")[:3]
            if process not in alive:
                dead.append(member)
            elif process != self.process and user.isdecimal():
                people.setdefault(process, {})[int(user)] = name
        return people, dead

    async def gone(self) -> set[str] | None:
        """Processes whose lease has run out; None when Redis does not answer."""
        if installation.known() is None:
            return None
        try:
            gone = set(await self.clients[0].zrangebyscore(_alive_key(), "-inf", time.time()))
        except (RedisError, OSError, TimeoutError) as error:
            self._failed("read", error)
            return None
        self._refused.discard("read")
        return gone

    async def turn(self) -> None:
        """Renews the lease when it is time, and writes what was asked."""
        await installation.wait_for_identity()
        try:
            if time.monotonic() >= self._renew_at:
                await self._renew()
                self._renew_at = time.monotonic() + RENEW_S * random.uniform(0.8, 1.0)  # noqa: S311
            await self._flush(min(1.0, max(0.05, self._renew_at - time.monotonic())))
            self._refused.discard("write")
        except (RedisError, OSError, TimeoutError) as error:
            self._failed("write", error)
            await asyncio.sleep(random.uniform(0.5, 2.0))  # noqa: S311

    async def close(self) -> None:
        """Gives up the lease, so that nobody waits for it to expire."""
        for client in self.clients:
            try:
                if installation.known() is not None:
                    await client.zrem(_alive_key(), self.process)
                await client.aclose()
            except (RedisError, OSError, TimeoutError):
                continue

    def _failed(self, what: str, error: Exception) -> None:
        self._refused.add(what)
        redis_faults.report_fault("presence", error)

    def _write(self, verb: str, room: int, person: Person) -> None:
        member = f"{self.process}|{person.id}|{person.name}"
        (self.held.add if verb == "sadd" else self.held.discard)((room, member))
        try:
            self._writes.put_nowait((verb, room, member))
        except asyncio.QueueFull:
            self._overrun = True

    async def _flush(self, wait_s: float) -> None:
        if not self._unwritten:
            try:
                self._unwritten.append(await asyncio.wait_for(self._writes.get(), wait_s))
            except TimeoutError:
                return
        while len(self._unwritten) < 500 and not self._writes.empty():
            self._unwritten.append(self._writes.get_nowait())
        await self._pipeline(self._unwritten)
        self._unwritten = []
        if self._overrun and self._writes.empty():
            await self._compare()

    async def _compare(self) -> None:
        """Takes away what Redis has of this process and `held` has not, and writes what it lacks."""
        self._overrun = False
        try:
            for client in self.clients:
                cursor = -1
                while cursor:
                    cursor, keys = await client.scan(max(0, cursor), f"{_key()}[0-9]*", count=500)
                    await self._pipeline(await self._not_held(client, [int(key.removeprefix(_key())) for key in keys]))
            await self._pipeline([("sadd", room, member) for room, member in list(self.held)])
        except BaseException:
            self._overrun = True
            raise

    async def _not_held(self, client: Any, rooms: list[int]) -> list[tuple[str, int, str]]:
        async with client.pipeline(transaction=False) as pipe:
            for room in rooms:
                pipe.smembers(_key(room))
            found = await pipe.execute()
        ours = ((room, member) for room, members in zip(rooms, found, strict=True) for member in members)
        return [("srem", *pair) for pair in ours if pair[1].startswith(f"{self.process}|") and pair not in self.held]

    async def _renew(self) -> None:
        # A lease that ran out may have been cleared away by others, though its own entry is still there.
        lapsed = time.monotonic() - self._renewed_at > LEASE_S
        for client in self.clients:
            new = await client.zadd(_alive_key(), {self.process: time.time() + LEASE_S}, ch=False)
            await client.zremrangebyscore(_alive_key(), "-inf", time.time() - LEASE_S)
            if new and self._renewed_at:
                self.forgot_at = time.monotonic()
            if new or lapsed:  # the first time, or Redis lost its memory
                await self._pipeline([("sadd", room, member) for room, member in list(self.held)])
        self._renewed_at = time.monotonic()

    async def _pipeline(self, writes: list[tuple[str, int, str]]) -> None:
        for start in range(0, len(writes), 500):
            by_client: dict[Any, list[tuple[str, int, str]]] = {}
            for write in writes[start : start + 500]:
                by_client.setdefault(self._client(write[1]), []).append(write)
            for client, some in by_client.items():
                async with client.pipeline(transaction=False) as pipe:
                    for verb, room, member in some:
                        getattr(pipe, verb)(_key(room), member)
                        pipe.expire(_key(room), KEPT_S)
                    await pipe.execute()

    def _client(self, room: int) -> Any:
        return self.clients[room % len(self.clients)]


def _key(room: int | None = None) -> str:
    """Return the key of a room's set; without a room what all of them begin with."""
    return installation.shared_name(f"presence:{'' if room is None else room}", installation.identity())


def _alive_key() -> str:
    return installation.shared_name("presence:alive", installation.identity())
