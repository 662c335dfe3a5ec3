"""One hub per process: room → sockets. It keeps each room's order and repairs gaps from the log.

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
from collections.abc import Callable, Coroutine, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from django.conf import settings

from core import metrics
from core.errors import Close, RateAbuse, RoomRefused
from core.features import installed
from core.limits import Buckets
from core.per_loop import PerLoop
from core.refusals import note_refusal
from core.supervise import cancel_all, run_forever
from db import installation
from db.database import DatabaseUnavailable
from realtime import journal, nginx_drain
from realtime.events import Head, LogEvent, Revoked, RoomRef, encode, kind_of
from realtime.housekeeping import Housekeeping
from realtime.journal import Journal
from realtime.layer.bus import bus_for
from realtime.live import LiveValues
from realtime.live_room import MAX_HELD, LiveRoom, batch_for, unread
from realtime.local_users import LocalUser
from realtime.mentions import note_mentions
from realtime.nginx_drain import NginxDrain
from realtime.parts import Parts
from realtime.ports import domains
from realtime.presence.sync import KINDS as PRESENCE_KINDS
from realtime.presence.sync import Presence
from realtime.repair import Repair
from realtime.revocations import Revocations
from realtime.send_buffer_budget import SendBufferBudget
from realtime.send_queue import Batch
from realtime.switches import Switches

if TYPE_CHECKING:
    from realtime.socket import Socket

log = structlog.get_logger(__name__)

# At most 2.9 s with jitter.
POLL_EVERY_S = 2.4
# Spreads the reads: all processes notice at the same moment that Redis is back.
CATCH_UP_S = 0.3
PAGE = 200
WATCHED_ROOMS = 500
# Pauses between two attempts to read a person's rooms: nobody sees them online before.
WATCH_AGAIN_S = (0.4, 3.0)
DRAIN_PER_S = 200
DRAIN_BATCH = 20


class Hub:
    def __init__(self) -> None:
        self.origin = secrets.token_hex(8)
        self.rooms: dict[int, LiveRoom] = {}
        self.people: dict[int, LocalUser] = {}
        self.bus = bus_for(self.origin, self.deliver, self._layer_restored)
        rate = settings.LIMIT_HANDSHAKES_PER_S
        self.handshakes = Buckets(rate, 4 * rate)
        self.send_budget = SendBufferBudget()
        self._poll_took_s = 0.0
        self.repair = Repair(self)
        self.revocations = Revocations(self)
        self.nginx_drain = NginxDrain(self)
        self.journal = Journal(self)
        self.switches = Switches(self)
        self.housekeeping = Housekeeping(self)
        self.presence = Presence(self)
        self._tasks: set[asyncio.Task[Any]] = set()
        self.live = LiveValues(self)
        self.parts = Parts(self)
        # What concerns one person, by the message's kind.
        self._on_person = {
            "mark": self._on_mark,
            "member": self.on_member,
            "revoked": self._on_revoked,
            "frames": self._on_frames,
            "person": self._on_person_signal,
        }
        # Kinds of events that a feature wants to hear of.
        self._heard = {kind.name: kind.delivered for kind in installed().kinds if kind.delivered is not None}
        # Features that hear of all events, and of frames to a person.
        self._delivered = [(feature.name, heard) for feature in installed().all for heard in feature.delivered]
        self._signalled = installed().every("signalled")

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
        await cancel_all(self._tasks)

    async def drain(self, spread_s: float, hurry: Callable[[], bool]) -> None:
        """Send `drain` to all sockets, then close them with 1012 over at most `spread_s`."""
        await self.hand_over([socket for local in self.people.values() for socket in local.sockets], spread_s, hurry)

    async def hand_over(self, sockets: list[Socket], spread_s: float, hurry: Callable[[], bool] = lambda: False) -> None:
        """Close these sockets as `drain` does; `spread_s` is shorter for few sockets."""
        random.shuffle(sockets)
        spread_s = min(spread_s, len(sockets) / DRAIN_PER_S)
        notice = Batch([encode({"type": "drain", "after_ms": int(spread_s * 1000)})])
        for socket in sockets:
            if type(socket.dialect).signals:
                socket.push_batch(notice)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for start in range(0, len(sockets), DRAIN_BATCH):
            for socket in sockets[start : start + DRAIN_BATCH]:
                socket.close_soon(Close.RESTART, "service restart")
            if not hurry():
                # Follow the clock: closing takes time as well, and must not eat the time for the end.
                due = begun + spread_s * (start + DRAIN_BATCH * random.uniform(0.5, 1.0)) / len(sockets)  # noqa: S311
                await asyncio.sleep(max(0.0, due - loop.time()))

    async def share(self, part: float, per_s: float, wanted: Callable[[], bool]) -> int:
        """Hand over that part of the sockets one by one, with jitter, while `wanted()`.

        Return how many.
        """
        sockets = [socket for local in self.people.values() for socket in local.sockets]
        chosen = random.sample(sockets, round(part * len(sockets)))
        for number, socket in enumerate(chosen):
            await asyncio.sleep(random.expovariate(per_s))
            if not wanted():
                return number
            await self.hand_over([socket], 0)
        return len(chosen)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a background task: keep a reference until it ends, and log its error."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("background task failed", task=task.get_name(), exc_info=error)

    @property
    def layer_works(self) -> bool:
        """Return whether this process exchanges messages and presence with the others."""
        return self.bus.healthy and self.presence.works

    # --- sockets

    async def register(self, socket: Socket) -> None:
        """Register an authenticated socket.

        Raises RateAbuse if the person has too many sockets here, RoomRefused if the feature it is for is switched off.
        """
        if not self.switches.known:
            await self.switches.ready()
        if socket.served in installed().refused:
            raise RoomRefused("the feature is switched off")
        user = socket.user.id
        local = self.people.get(user)
        if local is None:
            local = self.people[user] = LocalUser(socket.user)
        limit = settings.LIMIT_SOCKETS_PER_USER
        if limit and len(local.sockets) >= limit:
            note_refusal("sockets", f"user {user}", "LIMIT_SOCKETS_PER_USER")
            raise RateAbuse(f"more than {limit} sockets of one person")
        first = not local.sockets
        local.sockets.add(socket)
        socket.local = local
        self.presence.came(local)
        metrics.SOCKETS.add(1, socket.dialect.name)
        self.journal.check_new(socket)
        if first:
            try:
                await self.bus.subscribe([f"user.{user}"])
            finally:  # also when this socket has gone: the person may have another one by now
                self.spawn(self._watch(local))

    async def unregister(self, socket: Socket) -> None:
        for room in list(socket.rooms.values()):
            self.detach(socket, room)
        self.parts.closed(socket)
        local = socket.local
        if local is None or socket not in local.sockets:
            return
        metrics.SOCKETS.add(-1, socket.dialect.name)
        local.sockets.discard(socket)
        if local.sockets:
            self.presence.activity(local)
        else:
            self.people.pop(local.person.id, None)
            self.presence.left(local)
            for watched in filter(None, map(self.rooms.get, local.upto)):
                watched.watchers.discard(local)
                watched.mark_used()
            self.bus.unsubscribe(f"user.{local.person.id}")

    async def _watch(self, local: LocalUser) -> None:
        """Bring a person online and send them the news of their rooms.

        Retry until it succeeds: nothing else does it.
        """
        pause = WATCH_AGAIN_S[0]
        while local.sockets:
            try:
                await self._read_rooms_of(local)
            except DatabaseUnavailable:
                pass
            except Exception:
                log.exception("the rooms of a person could not be read", user=local.person.id)
            else:
                return
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311
            pause = min(2 * pause, WATCH_AGAIN_S[1])

    async def _read_rooms_of(self, local: LocalUser) -> None:
        local.left_meanwhile = set()
        try:
            memberships = (await domains().memberships(local.person.id))[:WATCHED_ROOMS]
            memberships = [one for one in memberships if one.room.id not in local.left_meanwhile]
        finally:
            local.left_meanwhile = None
        if not local.sockets:
            return
        for one in memberships:
            local.add_room(one.room, one.upto, one.uncounted)
        self.presence.watched(local)
        rooms = await self.open_many([one.room for one in memberships])
        # Behind the opening of the rooms: what comes later is delivered.
        mentions = await domains().mentions(local.person.id)
        for room in rooms:
            self._add_watcher(room, local)
            local.add_mentions(room.ref.id, mentions.get(room.ref.id, ()))

    async def _watch_new(self, local: LocalUser, ref: RoomRef, upto: int) -> None:
        """Watch a room that the person has just joined: later messages are unread."""
        while local.sockets and ref.id in local.upto:
            try:
                room = await self.open(ref)
            except DatabaseUnavailable:
                await asyncio.sleep(random.uniform(1, 3))  # noqa: S311
                continue
            self._add_watcher(room, local)
            if room.last_seq > upto:
                self.housekeeping.unread_due(room)
                await self._hear_missed(room, local, upto)
            return

    async def _hear_missed(self, room: LiveRoom, local: LocalUser, after: int) -> None:
        """Hand features the events that came before this process watched the room for the person: a new room's first message."""
        if not self._delivered:
            return
        with contextlib.suppress(DatabaseUnavailable):
            missed = await domains().LOG.events({room.ref.id: (after, min(room.last_seq, after + PAGE))})
            self._call_features(room.ref, missed.get(room.ref.id, []), {local})

    def _add_watcher(self, room: LiveRoom, local: LocalUser) -> None:
        """Send the room's news to the person, unless they have gone or left it meanwhile."""
        if local.sockets and room.ref.id in local.upto:
            room.watchers.add(local)
            self.presence.watches(local, room)
        room.mark_used()

    # --- rooms

    async def open(self, ref: RoomRef) -> LiveRoom:
        """Return the room, subscribed and with a known head.

        It stays open until the caller calls `mark_used`.

        Raises DatabaseUnavailable.
        """
        return (await self.open_many([ref]))[0]

    async def open_many(self, refs: list[RoomRef]) -> list[LiveRoom]:
        new = [self.rooms.setdefault(ref.id, LiveRoom(ref)) for ref in refs if ref.id not in self.rooms]
        if new:
            await self._load(new)
        rooms = []
        for ref in refs:
            known = self.rooms.get(ref.id)
            if known is not None:
                await known.opened.wait()
            # The task that was loading the room may have failed: load it here then.
            rooms.append(known if known and self.rooms.get(ref.id) is known else await self.open(ref))
        for room in rooms:
            room.empty_since = None
        return rooms

    async def _load(self, rooms: list[LiveRoom]) -> None:
        try:
            await self.bus.subscribe(f"room.{room.ref.id}" for room in rooms)
            # Read the heads after subscribing: the layer brings later commits, the head covers earlier ones.
            heads = await domains().LOG.heads([room.ref.id for room in rooms])
        except BaseException:
            for room in rooms:
                self.rooms.pop(room.ref.id, None)
                room.opened.set()
            raise
        for room in rooms:
            room.skip_to(heads.get(room.ref.id, Head(0)))
            room.opened.set()
            self.deliver_events(room, room.sequence([]))

    def attach(self, socket: Socket, room: LiveRoom, head: int) -> None:
        """Push live events above `head` to the socket from now on."""
        socket.rooms[room.ref.slug] = room
        room.add(socket, head)
        room.mark_used()
        self.presence.joined(socket, room)

    def detach(self, socket: Socket, room: LiveRoom) -> bool:
        """Stop pushing the room's events. Return whether the socket was joined."""
        socket.rooms.pop(room.ref.slug, None)
        joined = room.discard(socket)
        if joined:
            room.mark_used()
        return joined

    async def attach_from(self, socket: Socket, ref: RoomRef, after: int) -> None:
        """Attach, and push the log's events above `after`: for dialects without a join."""
        room = await self.open(ref)
        if ref.slug in socket.rooms or socket.closed:
            room.mark_used()
            return
        head = room.last_seq
        self.attach(socket, room, head)
        if after < head:
            missed = await domains().LOG.events({ref.id: (after, min(head, after + PAGE))})
            socket.push_batch(batch_for(ref, socket, missed.get(ref.id, [])))

    def close(self, room: LiveRoom) -> None:
        """Stop serving a room that no local socket uses."""
        self.rooms.pop(room.ref.id, None)
        self.live.closed(room.ref.id)
        self.bus.unsubscribe(f"room.{room.ref.id}")

    # --- incoming messages

    def publish(self, group: str, message: dict[str, Any]) -> None:
        """Deliver to local sockets now, and to the other processes through the layer."""
        self.deliver([message])
        self.bus.send(group, message)

    def publish_member(self, user: int, message: dict[str, Any], but_for: Socket | None) -> None:
        """Publish a new membership; the socket that made it needs no `room.added`."""
        local = self.people.get(user)
        if local is not None:
            self.on_member(local, message, but_for)
        self.bus.send(f"user.{user}", message)

    def publish_log(self, ref: RoomRef, events: Sequence[LogEvent]) -> None:
        """Publish committed events in seq order."""
        room = self.rooms.get(ref.id)
        if room is not None:
            self._on_log(room, list(events))
        else:
            self._call_delivered(ref, events)
        # As the release before reads it: each event has four fields, and which of them do not count is said beside them.
        message: dict[str, Any] = {"kind": "log", "room": ref, "events": [event[:4] for event in events], "sent": time.time()}
        if quiet := [event.seq for event in events if not event.counts]:
            message["uncounted"] = quiet
        self.bus.send(f"room.{ref.id}", message)

    def deliver(self, messages: list[dict[str, Any]]) -> None:
        """Deliver messages that arrived together.

        A room's events reach its sockets in one write.
        """
        logs: dict[int, list[LogEvent]] = {}
        sent: list[float] = []
        for message in messages:
            if message["kind"] == "log":
                if "sent" in message:  # the release before does not say it
                    sent.append(message["sent"])
                quiet = message.get("uncounted", ())
                found = (LogEvent(*event) for event in message["events"])
                events = (event if event.seq not in quiet else event._replace(counts=False) for event in found)
                logs.setdefault(message["room"][0], []).extend(events)
                continue
            self._take_logs(logs)
            self._on_other(message)
        self._take_logs(logs)
        if sent:
            now = time.time()
            for at in sent:
                metrics.DELIVERY_LAYER.observe(max(0.0, now - at))

    def _take_logs(self, logs: dict[int, list[LogEvent]]) -> None:
        for room_id, events in logs.items():
            room = self.rooms.get(room_id)
            if room is not None:
                self._on_log(room, events)
        logs.clear()

    def _on_other(self, message: dict[str, Any]) -> None:
        kind = message["kind"]
        if kind == "nginx_drain":
            self.nginx_drain.begin(message["instance"], message["seconds"])
        elif kind == "changes":
            self.journal.soon()
        elif kind == "signal":
            room = self.rooms.get(message["room"][0])
            if room is not None:
                self._on_signal(room, message)
        elif kind == "live":
            self.live.on_message(message)
        elif kind == "part":
            self.parts.on_message(message)
        elif kind in PRESENCE_KINDS:
            self.presence.on_message(message)
        else:
            local = self.people.get(message.get("user", 0))  # a message kind of the previous release may name no user
            if local is not None:
                self._on_person[kind](local, message)

    def _on_log(self, room: LiveRoom, events: list[LogEvent]) -> None:
        if not room.opened.is_set():
            room.pending.update((event.seq, event) for event in events[:MAX_HELD])
            return
        self.deliver_events(room, room.sequence(events))
        if room.pending:
            self.repair.note_gap(room)

    def _on_signal(self, room: LiveRoom, message: dict[str, Any]) -> None:
        self.close_slow(room.push_signal(message["frame"], but_for=message["sender"], only=message.get("only")))

    def _on_mark(self, local: LocalUser, message: dict[str, Any]) -> None:
        room_id = message["room"]
        # Earlier releases do not send `uncounted`, or not even the slug.
        local.mark_read(room_id, message["upto"], message.get("uncounted", 0))
        if "slug" in message:
            room = self.rooms.get(room_id)
            head = max(Head(message["head"], message.get("head_uncounted", 0)), room.head if room else Head(0))
            ref = RoomRef(room_id, message["slug"], direct=False)
            local.push_unjoined(ref.slug, Batch([unread(ref, head, local)]))

    def on_member(self, local: LocalUser, message: dict[str, Any], but_for: Socket | None = None) -> None:
        """Handle a new membership; the socket that made it needs no frame."""
        ref = RoomRef(*message["room"])
        if "details" in message:  # the previous release does not send them
            fields = {**message["details"], "head": message["head"], "upto": message["upto"]}
            frame = encode({"type": "room.added", "room": ref.slug, **fields})
            local.push_unjoined(ref.slug, Batch([frame]), but_for=but_for)
        uncounted = message.get("uncounted", 0)  # the release before does not say it
        local.add_room(ref, message["upto"], uncounted)
        self.presence.entered(local, ref.id)
        self.spawn(self._watch_new(local, ref, message["upto"]))
        for socket in local.sockets:
            socket.dialect.member_of(ref, message["upto"])

    def _on_revoked(self, local: LocalUser, message: dict[str, Any]) -> None:
        _, user, credential, _, room, _ = message["what"]
        ref = RoomRef(*room) if room else None
        self.revocations.act(local, Revoked(user, credential, ref, message.get("reason", "removed")))

    def _on_person_signal(self, local: LocalUser, message: dict[str, Any]) -> None:
        local.push(Batch([message["frame"]]))
        for signalled in self._signalled:
            signalled(local.person.id, msgspec.json.decode(message["frame"]))

    def _on_frames(self, local: LocalUser, message: dict[str, Any]) -> None:
        """Handle client frames that another process was sent for a stream of this one."""
        for socket in local.sockets:
            if socket.dialect.room == message["stream"] and (receive := socket.dialect.frames) is not None:
                self.spawn(receive(message["frames"]))

    def deliver_events(self, room: LiveRoom, events: list[LogEvent]) -> None:
        """Deliver events that are next in the room's order to its sockets."""
        if not events:
            return
        delivered, slow = room.deliver(events, self.people)
        metrics.DELIVERED.add(delivered)
        self.close_slow(slow)
        if room.watchers:
            note_mentions(room, events, self.people)
            self.housekeeping.unread_due(room)
            self._call_features(room.ref, events, room.watchers)
        self._call_delivered(room.ref, events)

    def _call_features(self, room: RoomRef, events: Sequence[LogEvent], watchers: AbstractSet[LocalUser]) -> None:
        for name, heard in self._delivered:
            if name not in installed().off:
                heard(room, events, watchers)

    def _call_delivered(self, room: RoomRef, events: Sequence[LogEvent]) -> None:
        for event in events if self._heard else ():
            heard = self._heard.get(kind_of(event.text))
            if heard is not None:
                heard(room, msgspec.json.decode(event.text))

    @staticmethod
    def close_slow(sockets: list[Socket]) -> None:
        for socket in sockets:
            socket.close_soon(Close.TOO_SLOW, "reads too slowly; resume")

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


def _started() -> Hub:
    hub = Hub()
    hub.start()
    return hub


current = PerLoop(_started)
