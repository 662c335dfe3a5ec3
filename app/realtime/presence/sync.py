"""The people who are online, in every room they are a member of.

A person is online with a live socket on any process.

A process announces its own people and their rooms to all others, on one channel of the layer. Each process applies that
to its active rooms: rooms with a joined socket that understands `presence`. See docs/decisions/0010-presence-by-person.md.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from django.conf import settings

from core import metrics
from core.redis_urls import client_for
from db import installation
from realtime.events import Person, encode
from realtime.layer.bus import Bus
from realtime.live_room import LiveRoom
from realtime.local_users import LocalUser
from realtime.presence.announcer import GROUP, Announcer
from realtime.presence.departures import Departure
from realtime.presence.heartbeat import Heartbeat
from realtime.presence.peers import BEAT_S, Gone, Peer, Peers
from realtime.presence.placing import Placing
from realtime.presence.room import EVENT_EVERY_S, Away
from realtime.registry import Registry
from realtime.subscriber import Subscriber

KINDS = frozenset({"people", "people.ask", "people.bye", "beat"})
# A person without a socket stays online for that long: a reload of the page is no coming and going.
LINGER_S = 0.75
FLUSH_S = 0.2
SLICE = 2_000


class Presence:
    """One per hub."""

    def __init__(self, registry: Registry, bus: Bus, spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]) -> None:
        self._registry, self._bus, self._spawn = registry, bus, spawn
        self.peers = Peers()
        # Whether this process is the whole installation.
        self.alone = not settings.REDIS_SHARDS
        self.announcer = Announcer(registry.people, bus, alone=self.alone)
        self.placing = Placing(self, spawn)
        # By user; the oldest first.
        self.departures: dict[int, Departure] = {}
        # People whose memberships are being read → rooms in which they are shown already.
        self._carried: dict[int, set[int]] = {}
        # People whose last socket anywhere is gone → their names, until no active room shows them.
        self._offline: dict[int, str] = {}
        self._dirty: set[LiveRoom] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._heartbeat: Heartbeat | None = None

    # --- life

    async def start(self) -> None:
        """Join the other processes, once the layer has its names."""
        layer = self._bus.layer
        shard, channel = layer.address(GROUP)
        self._heartbeat = Heartbeat(
            lambda: client_for(settings.REDIS_SHARDS[shard]),
            channel,
            lambda: bytes(layer.serialize(self.announcer.beat())),
            installation.shared_name(f"check:{self._bus.origin}", installation.identity()),
        )
        await self._bus.subscribe([GROUP])
        self._bus.send(GROUP, {"kind": "people.ask", "process": ""})
        self._heartbeat.start()

    def stop(self) -> None:
        """Say goodbye: the people of this process reconnect to another one."""
        if self._timer is not None:
            self._timer.cancel()
        if self._heartbeat is not None:
            self._heartbeat.stop()
        if not self.alone:
            self._bus.send(GROUP, {"kind": "people.bye", "process": self._bus.origin})

    @property
    def works(self) -> bool:
        """Return whether others hear this process, and Redis takes and gives keys."""
        return self._heartbeat is None or self._heartbeat.works

    async def tick(self) -> None:
        """Once in BEAT_S: remove the processes that are gone."""
        await asyncio.sleep(BEAT_S)
        await self.remove_dead()

    async def remove_dead(self) -> None:
        """Remove the people of processes that were silent for too long."""
        for gone in self.peers.dead(time.monotonic(), self._bus.echoed_at):
            metrics.PEERS_LOST.inc()
            await self._everywhere(gone)

    # --- local people

    def came(self, local: LocalUser) -> None:
        """A socket of a person was registered here."""
        user = local.person.id
        departure = self.departures.pop(user, None)
        if departure is not None:
            local.announced = departure.announced
            self._carried[user] = departure.rooms
        elif not local.announced:
            self._carried.setdefault(user, set())
        self.activity(local)

    def watched(self, local: LocalUser) -> None:
        """The person's memberships were read: they are online in all of these rooms."""
        self._set_in(local.room_ids(), local.person.id, local.person.name)
        stale = self._carried.pop(local.person.id, set()) - local.room_ids()
        for room_id in stale:
            self._end(local, room_id)
        local.forget_watched()
        local.announced = True
        self.announcer.came(local)

    def watches(self, local: LocalUser, room: LiveRoom) -> None:
        """A room of the person is open: it may have become active without them."""
        self._set(room, local.person.id)

    def entered(self, local: LocalUser, room_id: int) -> None:
        """The person became a member of a room, or joined an unwatched one."""
        room = self._registry.rooms.get(room_id)
        if room is not None:
            self._set(room, local.person.id)
        local.forget_watched()
        if local.announced:
            self.announcer.member(local.person.id, room_id, member=True)

    def removed(self, local: LocalUser, room_id: int) -> None:
        """The person is no longer a member."""
        self._carried.get(local.person.id, set()).discard(room_id)
        if local.beyond is not None:
            local.beyond.discard(room_id)
        self._end(local, room_id)

    def shows(self, user: int, room_id: int) -> bool:
        """Whether a person may be shown in a room without a socket here."""
        room = self._registry.rooms.get(room_id)
        return user in self.departures or (room is not None and user in room.presence.online)

    def not_a_member(self, user: int, room_id: int) -> None:
        """The database says that a person without a socket here is no member."""
        departure = self.departures.get(user)
        if departure is not None and room_id in departure.rooms:
            departure.rooms.discard(room_id)
            if departure.announced:
                self.announcer.member(user, room_id, member=False)
        self.placing.changed(room_id, user)
        room = self._registry.rooms.get(room_id)
        if room is not None:
            self._update(room, user, None, self.name(user))

    def joined(self, socket: Subscriber, room: LiveRoom) -> None:
        """A socket was attached to a room."""
        local: LocalUser | None = socket.local
        if local is None:
            return
        if local.is_in(room.ref.id):
            self._set(room, local.person.id)
            return
        if local.beyond is None:
            local.beyond = set()
        local.beyond.add(room.ref.id)
        self.entered(local, room.ref.id)

    def activity(self, local: LocalUser) -> None:
        """A socket of a person came, went, or said that its person is away or back."""
        away = all(socket.away for socket in local.sockets)
        if away is local.away:
            return
        local.away = away
        for room_id in local.room_ids():
            room = self._registry.rooms.get(room_id)
            if room is not None:
                self._set(room, local.person.id)
        if local.announced:
            self.announcer.activity(local)

    def renamed(self, person: Person) -> None:
        """A person has another name.

        Every process learns it from the journal.
        """
        for peer in self.peers.by_process.values():
            if person.id in peer.people:
                peer.people[person.id] = person.name

    def left(self, local: LocalUser) -> None:
        """The person's last local socket is gone."""
        user = local.person.id
        rooms = local.room_ids() | self._carried.pop(user, set())
        self.announcer.withdraw(user)
        due = time.monotonic() + LINGER_S
        self.departures[user] = Departure(due, local.person.name, local.away, local.announced, rooms)
        self._schedule()

    # --- rooms

    async def open(self, room: LiveRoom) -> None:
        """Make a room active, and wait for the people of other processes.

        The wait is at most placing.WAIT_S.
        The caller is in `room.joining` by then: a room without anybody is deactivated during the wait.
        """
        if not room.presence.active:
            here = {local.person.id for local in room.watchers}
            here |= {socket.user.id for sockets in room.sockets.values() for socket in sockets}
            here |= {user for user, gone in self.departures.items() if room.ref.id in gone.rooms}
            states = {user: self._state(user) for user in here}
            room.presence.activate({user: away for user, away in states.items() if away is not None})
        if not room.presence.placed:
            if any(peer.people for peer in self.peers.by_process.values()):
                await self.placing.room(room)
            else:
                room.presence.placed = True

    def close_unused(self, room: LiveRoom) -> None:
        """Forget a room's people if no socket with `presence` has joined or is joining."""
        if room.presence.active and not room.joining and not room.hears_signals():
            room.presence.deactivate()
            self._dirty.discard(room)

    def active_rooms(self) -> dict[int, LiveRoom]:
        return {number: room for number, room in self._registry.rooms.items() if room.presence.active}

    def place(self, room: LiveRoom, user: int, *, member: bool) -> None:
        """Apply the database's state of a person of another process."""
        self._update(room, user, self._state(user) if member else None, self.name(user))

    def name(self, user: int) -> str:
        local = self._registry.people.get(user)
        if local is not None:
            return local.person.name
        departure = self.departures.get(user)
        return departure.name if departure else self.peers.name(user) or "?"

    # --- other processes

    def on_message(self, message: dict[str, Any]) -> None:
        """A message of another process."""
        process, now = message["process"], time.monotonic()
        match message["kind"]:
            case "beat":
                if self.peers.beat(process, message["number"], now):
                    self.announcer.ask(process)
            case "people":
                self._on_people(process, message, now)
            case "people.ask":
                if process in {"", self._bus.origin}:
                    self.announcer.list_soon(self.departures)
            case "people.bye":
                self.peers.leaving(process, now, LINGER_S)

    def _on_people(self, process: str, message: dict[str, Any], now: float) -> None:
        peer, ask = self.peers.announced(process, message["number"], now)
        if message["begins"]:
            self.peers.begin_list(peer)
        for user, rooms in message["left"]:
            name = self.peers.remove(peer, user)
            for room in filter(None, map(self._registry.rooms.get, rooms)):
                self._left_elsewhere(room, user, name or "?")
            self._note_offline(user, name or "?")
        for user, name, away, rooms in message["came"]:
            self.peers.add(peer, user, name, away=away)
            self._set_in(rooms, user, name)
        for user, room_id, member in message["members"]:
            self._on_member(user, room_id, member=member)
        for user, away, rooms in message["away"]:
            if user in peer.people:
                self.peers.add(peer, user, peer.people[user], away=away)
                self._renew_in(rooms, user, peer.people[user])
        if message["ends"]:
            self._on_list(process, peer)
        elif ask:
            self.announcer.ask(process)

    def _on_member(self, user: int, room_id: int, *, member: bool) -> None:
        local = self._registry.people.get(user)
        if not member and local is not None and local.is_in(room_id):
            return  # old news: this process gets its own message when they leave
        self.placing.changed(room_id, user)
        room = self._registry.rooms.get(room_id)
        if room is not None:
            self._update(room, user, self._state(user) if member else None, self.name(user))

    def _on_list(self, process: str, peer: Peer) -> None:
        """The whole list of a process is here.

        Which active rooms its people are in, the database says.
        """
        was_in_sync = peer.in_sync
        gone = self.peers.end_list(process, peer)
        if gone is None:
            return
        if gone.people:
            self._spawn(self._everywhere(gone))
        if not was_in_sync:  # else another caller had asked for it
            self.placing.users(peer.people)

    async def _everywhere(self, gone: Gone) -> None:
        """People who lost their sockets on a process, in all active rooms."""
        for index, room in enumerate(list(self._registry.rooms.values()), 1):
            if room.presence.active:
                for user in room.presence.online.keys() & gone.people.keys():
                    self._left_elsewhere(room, user, gone.people[user])
            if index % SLICE == 0:
                await asyncio.sleep(0)

    # --- state

    def _state(self, user: int) -> Away:
        """Away on all sockets anywhere, active on one, or offline."""
        states = self.peers.states(user)
        local = self._registry.people.get(user)
        if local is not None and local.sockets:
            states.append(local.away)
        elif user in self.departures:
            states.append(self.departures[user].away)
        return all(states) if states else None

    def _note_offline(self, user: int, name: str) -> None:
        """Take a person without a socket anywhere out of all rooms.

        A process that lets them go need not know of all their rooms.
        """
        if not self.alone and self._state(user) is None:
            self._offline[user] = name
            self._schedule()

    def _left_elsewhere(self, room: LiveRoom, user: int, name: str) -> None:
        """Update a room after a person's last socket on another process is gone.

        Perhaps that process alone had put the person into the room.
        """
        if user not in room.presence.online:
            return
        departure, local = self.departures.get(user), self._registry.people.get(user)
        state = self._state(user)
        if departure is not None:
            departure.rooms.add(room.ref.id)
        elif user in self._carried:
            self._carried[user].add(room.ref.id)
        elif local is not None and not local.is_in(room.ref.id) and not self.peers.states(user):
            state = None
        self._update(room, user, state, name)

    def _set(self, room: LiveRoom, user: int) -> None:
        self.placing.changed(room.ref.id, user)
        if room.presence.active:
            self._update(room, user, self._state(user), self.name(user))

    def _set_in(self, rooms: Iterable[int], user: int, name: str) -> None:
        state = self._state(user)
        for room_id in rooms:
            self.placing.changed(room_id, user)
            room = self._registry.rooms.get(room_id)
            if room is not None:
                self._update(room, user, state, name)

    def _renew_in(self, rooms: Iterable[int], user: int, name: str) -> None:
        """Update a person's state in those of the rooms that show them.

        Unlike `_set_in`, it adds no user: a state that ends or changes is no proof of membership.
        """
        state = self._state(user)
        for room_id in rooms:
            room = self._registry.rooms.get(room_id)
            if room is not None and user in room.presence.online:
                self._update(room, user, state, name)

    def _end(self, local: LocalUser, room_id: int) -> None:
        self.placing.changed(room_id, local.person.id)
        room = self._registry.rooms.get(room_id)
        if room is not None:
            self._update(room, local.person.id, None, local.person.name)
        if local.announced:
            self.announcer.member(local.person.id, room_id, member=False)

    def _update(self, room: LiveRoom, user: int, away: Away, name: str) -> None:
        presence = room.presence
        if not presence.active or not presence.update(user, away, name):
            return
        self._dirty.add(room)
        now = time.monotonic()
        if now - presence.flushed_at >= EVENT_EVERY_S:
            presence.flushed_at = now
            # At the end of this step of the loop, so that the reply to a join comes before its `presence`.
            asyncio.get_running_loop().call_soon(self._flush_room, room)
        else:
            self._schedule()

    # --- what is announced later

    def _schedule(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._flush)

    def _flush(self) -> None:
        self._timer = None
        now = time.monotonic()
        self._depart(now)
        if self._offline:
            offline, self._offline = self._offline, {}
            self._spawn(self._everywhere(Gone("", offline)))
        for room in [room for room in self._dirty if now - room.presence.flushed_at >= EVENT_EVERY_S]:
            room.presence.flushed_at = now
            self._flush_room(room)
        if self._dirty or self.departures:
            self._schedule()

    def _depart(self, now: float) -> None:
        for user in [user for user, gone in self.departures.items() if gone.due <= now]:
            gone = self.departures.pop(user)
            self._renew_in(gone.rooms, user, gone.name)
            self._note_offline(user, gone.name)
            if gone.announced:
                self.announcer.left(user, gone.rooms)

    def _flush_room(self, room: LiveRoom) -> None:
        self._dirty.discard(room)
        change = room.presence.take_change(self.name)
        if change is not None:
            self._registry.close_slow(room.push_signal(encode({"type": "presence", "room": room.ref.slug, **change})))

    def snapshot(self, room: LiveRoom, socket: Subscriber) -> tuple[int, list[dict[str, Any]], list[int]]:
        """Return presence for a joining socket: the number online, who, and who is away."""
        if not room.others_hear(socket):
            room.presence.dirty.clear()  # no socket got an earlier state
            self._dirty.discard(room)
        return room.presence.snapshot(self.name, time.monotonic())
