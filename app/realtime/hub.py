"""The hub, one per process: it composes the parts that serve the sockets.

It also sorts the messages that arrive.

It joins the channel layer once, as one channel in the groups of the rooms and people it serves. Its own sockets get the
commits of this process at once; the layer carries them to the other processes. A message that the layer loses appears as a
gap in `seq` or in the poll of the rooms' heads, and is then read from the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import Sequence
from typing import Any

import structlog
from django.conf import settings

from core import metrics
from core.errors import Close, RateAbuse, RoomRefused
from core.features import installed
from core.limits import LIMITS, Buckets, Limits
from core.per_loop import PerLoop
from core.refusals import note_refusal
from core.supervise import BackgroundTasks, run_forever
from db import installation
from db.database import DatabaseUnavailable
from realtime import journal, nginx_drain
from realtime.events import Head, LogEvent, Revoked, RoomRef
from realtime.handover import Handover
from realtime.housekeeping import Housekeeping
from realtime.journal import Journal
from realtime.layer.bus import bus_for
from realtime.live_room import LiveRoom, batch_for, unread
from realtime.live_values import LiveValues
from realtime.local_users import LocalUser, Spent
from realtime.memberships import Memberships
from realtime.nginx_drain import NginxDrain
from realtime.open_parts import Parts
from realtime.ports import domains
from realtime.presence.sync import KINDS as PRESENCE_KINDS
from realtime.presence.sync import Presence
from realtime.registry import Registry
from realtime.repair import Repair
from realtime.revocations import Revocations
from realtime.room_opener import RoomOpener
from realtime.send_buffer_budget import SendBufferBudget
from realtime.send_queue import Batch
from realtime.subscriber import Subscriber
from realtime.switches import Switches

logger = structlog.get_logger(__name__)

# At most 2.9 s with jitter.
POLL_EVERY_S = 2.4
# Spreads the reads: all processes notice at the same moment that Redis is back.
CATCH_UP_S = 0.3
# Events read for a dialect without a join.
PAGE = 200


class Hub:
    def __init__(self, limits: Limits = LIMITS) -> None:
        self.limits = limits
        self.origin = secrets.token_hex(8)
        self.tasks = BackgroundTasks()
        self.spawn = self.tasks.spawn
        rate = settings.LIMIT_HANDSHAKES_PER_S
        self.handshakes = Buckets(rate, 4 * rate)
        self.send_budget = SendBufferBudget()
        self.registry = Registry()
        self._spent = Spent()
        self.bus = bus_for(self.origin, self.deliver, self._layer_restored)
        self.opener = RoomOpener(self.registry, self.bus, limits)
        self.presence = Presence(self.registry, self.bus, self.spawn)
        self.parts = Parts(self.bus)
        self.live = LiveValues(self.registry, self.bus, self.parts, self.spawn)
        self.memberships = Memberships(self.registry, self.opener, self.presence, self.spawn)
        self.repair = Repair(self.registry, self.spawn, limits)
        self.revocations = Revocations(self.registry, self.presence, self.parts)
        self.switches = Switches(self.registry)
        self.journal = Journal(self.registry, self.presence, self.memberships, self.revocations, self.switches, self.spawn)
        self.handover = Handover(self.registry)
        self.nginx_drain = NginxDrain(self.registry, self.handover, self.publish, self.spawn)
        self.housekeeping = Housekeeping(
            self.registry, self.presence, self.live, self.opener, self.send_budget, lambda: self.layer_works
        )
        self._poll_took_s = 0.0
        # What concerns one person, by the message's kind.
        self._on_person = {
            "mark": self._on_mark,
            "member": self.memberships.add,
            "revoked": self._on_revoked,
            "frames": self._on_frames,
            "person": self._on_person_signal,
            "note": self._on_note,
        }

    # --- start and end

    def start(self) -> None:
        self.bus.start()
        if settings.REDIS_SHARDS:
            self.spawn(self._join_layer())
            self.spawn(run_forever(self.presence.tick))
        self.spawn(self.bus.subscribe([nginx_drain.GROUP, journal.GROUP]))
        self.spawn(run_forever(self._poll))
        self.spawn(run_forever(self.journal.tick))
        self.spawn(run_forever(self.housekeeping.tick))
        self.spawn(run_forever(self.live.tick))
        if installed().parts:
            self.spawn(run_forever(self.parts.tick))

    async def _join_layer(self) -> None:
        """Join the layer once the installation's id is known.

        Start-up must not need the database that stores it.
        """
        self.bus.join(installation.shared_name("", await installation.wait_for_identity()))
        await self.presence.start()

    async def stop(self) -> None:
        self.presence.stop()
        await self.live.stop()
        await self.bus.stop()
        await self.tasks.cancel()

    @property
    def layer_works(self) -> bool:
        """Return whether this process exchanges messages and presence with the others."""
        return self.bus.healthy and self.presence.works

    # --- sockets

    async def register(self, socket: Subscriber) -> None:
        """Register an authenticated socket, and greet it.

        Every later frame comes behind the greeting, and every earlier change is part of it.

        Raises RateAbuse if the person has too many sockets here, RoomRefused if the feature it is for is switched off.
        """
        if not self.switches.known:
            await self.switches.ready()
        greeting = await socket.dialect.greeting()  # nothing waits from here until the socket is registered
        if socket.served in installed().refused:
            raise RoomRefused("the feature is switched off")
        user, people = socket.user.id, self.registry.people
        local = people.get(user)
        if local is None:
            local = people[user] = LocalUser(socket.user)
            self._spent.give_back(local)
        limit = settings.LIMIT_SOCKETS_PER_USER
        if limit and len(local.sockets) >= limit:
            note_refusal("sockets", f"user {user}", "LIMIT_SOCKETS_PER_USER")
            raise RateAbuse(f"more than {limit} sockets of one person")
        first = not local.sockets
        begun = time.monotonic()
        if greeting:
            socket.push(greeting)
        local.sockets.add(socket)
        socket.local = local
        self.presence.came(local)
        metrics.SOCKETS.add(1, socket.dialect.name)
        self.journal.check_new(socket)
        if first:
            try:
                await self.bus.subscribe([f"user.{user}"])
            finally:  # also when this socket has gone: the person may have another one by now
                self.spawn(self.memberships.watch(local, begun))

    async def unregister(self, socket: Subscriber) -> None:
        for room in list(socket.rooms.values()):
            self.registry.detach(socket, room)
        self.parts.closed(socket)
        local: LocalUser | None = socket.local
        if local is None or socket not in local.sockets:
            return
        metrics.SOCKETS.add(-1, socket.dialect.name)
        local.sockets.discard(socket)
        if local.sockets:
            self.presence.activity(local)
        else:
            self.registry.people.pop(local.person.id, None)
            self._spent.keep(local)
            self.presence.left(local)
            for watched in filter(None, map(self.registry.rooms.get, local.last_read)):
                watched.watchers.discard(local)
                watched.mark_used()
            self.bus.unsubscribe(f"user.{local.person.id}")

    def attach(self, socket: Subscriber, room: LiveRoom, head: int) -> None:
        """Push live events above `head` to the socket from now on."""
        self.registry.attach(socket, room, head)
        self.presence.joined(socket, room)

    async def attach_from(self, socket: Subscriber, ref: RoomRef, after: int) -> None:
        """Attach, and push the log's events above `after`: for dialects without a join."""
        room = await self.opener.open(ref)
        if ref.slug in socket.rooms or socket in room.joining or socket.closed:
            room.mark_used()
            return
        head = room.last_seq
        room.joining[socket] = []  # what is committed meanwhile follows what is read
        try:
            while after < head:
                missed = (await domains().LOG.events({ref.id: (after, min(head, after + PAGE))})).get(ref.id, [])
                socket.push_batch(batch_for(ref, socket, missed))
                after = missed[-1].seq if missed else head
        finally:
            held = room.joining.pop(socket, None)
            room.mark_used()
        if held is None:  # more than is held, or no longer a member: a new connection finds out
            socket.close_soon(Close.RESTART, "the room could not be read in time")
        elif not socket.closed:
            self.attach(socket, room, head)
            socket.push_batch(batch_for(ref, socket, held))

    # --- outgoing messages

    def publish(self, group: str, message: dict[str, Any]) -> None:
        """Deliver to local sockets now, and to the other processes through the layer."""
        self.deliver([message])
        self.bus.send(group, message)

    def publish_member(self, user: int, message: dict[str, Any], but_for: Subscriber | None) -> None:
        """Publish a new membership; the socket that made it needs no `room.added`."""
        local = self.registry.people.get(user)
        if local is not None:
            self.memberships.add(local, message, but_for)
        self.bus.send(f"user.{user}", message)

    def publish_log(self, ref: RoomRef, events: Sequence[LogEvent]) -> None:
        """Publish committed events in seq order."""
        room = self.registry.rooms.get(ref.id)
        if room is not None:
            self._on_log(room, list(events))
        else:
            self.registry.deliver_unserved(ref, events)
        # As the release before reads it: each event has four fields, and which of them do not count is said beside them.
        message: dict[str, Any] = {"kind": "log", "room": ref, "events": [event[:4] for event in events], "sent": time.time()}
        if quiet := [event.seq for event in events if not event.counts]:
            message["uncounted"] = quiet
        self.bus.send(f"room.{ref.id}", message)

    # --- incoming messages

    def deliver(self, messages: list[dict[str, Any]]) -> None:
        """Deliver messages that arrived together, each once.

        A room's events reach its sockets in one write. A message that fails (of another release, say) spares the others.
        """
        logs: dict[int, list[LogEvent]] = {}
        sent: list[float] = []
        for message in messages:
            try:
                if message["kind"] == "log":
                    room_id, events = _events_of(message)
                    logs.setdefault(room_id, []).extend(events)
                    if "sent" in message:  # the release before does not say it
                        sent.append(message["sent"])
                    continue
                self._on_logs(logs)
                self._on_other(message)
            except Exception as error:  # noqa: BLE001  # logged
                _note_failure(message.get("kind"), error)
        self._on_logs(logs)
        if sent:
            now = time.time()
            for at in sent:
                metrics.DELIVERY_LAYER.observe(max(0.0, now - at))

    def _on_logs(self, logs: dict[int, list[LogEvent]]) -> None:
        for room_id, events in logs.items():
            room = self.registry.rooms.get(room_id)
            try:
                if room is not None:
                    self._on_log(room, events)
            except Exception as error:  # noqa: BLE001  # logged
                _note_failure("log", error)
        logs.clear()

    def _on_log(self, room: LiveRoom, events: list[LogEvent]) -> None:
        if not room.opened.is_set():
            room.pending.update((event.seq, event) for event in events[: self.limits.held_events])
            return
        self.repair.deliver(room, room.sequence(events))
        if room.pending:
            self.repair.note_gap(room)

    def _on_other(self, message: dict[str, Any]) -> None:
        kind = message["kind"]
        if kind == "nginx_drain":
            self.nginx_drain.begin(message["instance"], message["seconds"])
        elif kind == "changes":
            self.journal.soon()
        elif kind == "signal":
            room = self.registry.rooms.get(message["room"][0])
            if room is not None:
                self._on_signal(room, message)
        elif kind == "live":
            self.live.on_message(message)
        elif kind == "part":
            self.parts.on_message(message)
        elif kind in PRESENCE_KINDS:
            self.presence.on_message(message)
        else:
            local = self.registry.people.get(message.get("user", 0))  # of the previous release it may name no user
            if local is not None:
                self._on_person[kind](local, message)

    def _on_signal(self, room: LiveRoom, message: dict[str, Any]) -> None:
        slow = room.push_signal(message["frame"], but_for=message["sender"], only=message.get("only"))
        self.registry.close_slow(slow)

    def _on_mark(self, local: LocalUser, message: dict[str, Any]) -> None:
        room_id = message["room"]
        if room_id not in local.last_read and local.left_meanwhile is None:
            return  # of a room that the person has left since
        # Earlier releases do not send `uncounted`, or not even the slug.
        local.mark_read(room_id, message["upto"], message.get("uncounted", 0))
        if "slug" in message:
            room = self.registry.rooms.get(room_id)
            head = max(Head(message["head"], message.get("head_uncounted", 0)), room.head if room else Head(0))
            ref = RoomRef(room_id, message["slug"], direct=False)
            local.push_unjoined(ref.slug, Batch([unread(ref, head, local)]))

    def _on_revoked(self, local: LocalUser, message: dict[str, Any]) -> None:
        _, user, credential, _, room, _ = message["what"]
        ref = RoomRef(*room) if room else None
        self.revocations.act(local, Revoked(user, credential, ref, message.get("reason", "removed")))

    def _on_person_signal(self, local: LocalUser, message: dict[str, Any]) -> None:
        local.push(Batch([message["frame"]]))
        self.registry.listeners.signalled(local.person.id, message["frame"])

    def _on_frames(self, local: LocalUser, message: dict[str, Any]) -> None:
        """Handle client frames that another process was sent for a stream of this one."""
        for socket in local.sockets:
            if socket.dialect.room == message["stream"] and (receive := socket.dialect.frames) is not None:
                # Without the number: from a process of an earlier release.
                self.spawn(receive(message["frames"], message.get("request")))

    @staticmethod
    def _on_note(local: LocalUser, message: dict[str, Any]) -> None:
        for socket in list(local.sockets):
            if socket.dialect.name == message["dialect"]:
                socket.dialect.noted(message["note"])

    # --- messages lost by the layer

    def _layer_restored(self) -> None:
        """Read the log now, before the next poll: the layer may have lost messages."""
        self.spawn(self._catch_up())

    async def _catch_up(self) -> None:
        await asyncio.sleep(CATCH_UP_S * random.uniform(0, 1))  # noqa: S311
        self.live.restored()
        await self._read_what_was_lost()

    async def _poll(self) -> None:
        """Read the events that the layer may have lost, every POLL_EVERY_S with jitter."""
        interval = POLL_EVERY_S * random.uniform(0.8, 1.2)  # noqa: S311
        await asyncio.sleep(max(interval - self._poll_took_s, interval / 2))
        clock = asyncio.get_running_loop().time
        begun = clock()
        await self._read_what_was_lost()
        self._poll_took_s = clock() - begun

    async def _read_what_was_lost(self) -> None:
        with contextlib.suppress(DatabaseUnavailable):
            await self.repair.poll_heads()
            await self.journal.read()


def _note_failure(kind: str | None, error: Exception) -> None:
    metrics.HANDLER_FAILURES.labels("layer").inc()
    logger.error("a message of the layer failed", kind=kind, exc_info=error)


def _events_of(message: dict[str, Any]) -> tuple[int, list[LogEvent]]:
    """Return the room's id and the events of a `log` message."""
    quiet = message.get("uncounted", ())
    found = (LogEvent(*event) for event in message["events"])
    events = [event if event.seq not in quiet else event._replace(counts=False) for event in found]
    return message["room"][0], events


def _started() -> Hub:
    hub = Hub()
    hub.start()
    return hub


current = PerLoop(_started)
