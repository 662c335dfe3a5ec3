"""One authenticated socket: the methods for dialects and frame handlers."""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections.abc import Awaitable, Callable
from inspect import isawaitable, iscoroutine
from typing import Any

import msgspec
import structlog
from django.conf import settings

from core import metrics, pace
from core.errors import BadFrame, Close, Forbidden, FrameRefused, NotAMember, RateAbuse, Unavailable
from core.limits import Bucket
from core.logging import about, about_again
from db import installation
from db.database import DatabaseUnavailable
from realtime import protocol
from realtime.dialects.base import Dialect
from realtime.events import DeferredReply, FrameId, Page, Person, RoomRef, credential_name, encode, folded
from realtime.hub import Hub
from realtime.live_room import LiveRoom, batch_for, gap
from realtime.local_users import LocalUser
from realtime.ports import frames
from realtime.send_queue import Batch, SendQueue

log = structlog.get_logger(__name__)

IN_FLIGHT = 64
_numbers = itertools.count(1)


class Socket:
    __slots__ = (
        "__weakref__",
        "_space",
        "alias",
        "away",
        "closed",
        "closing",
        "credential",
        "dialect",
        "frames",
        "hub",
        "in_flight",
        "local",
        "nginx",
        "number",
        "rooms",
        "send_queue",
        "state",
        "user",
    )  # fmt: skip

    def __init__(self, hub: Hub, user: Person, credential: str, send_queue: SendQueue) -> None:
        self.hub, self.user, self.credential, self.send_queue = hub, user, credential, send_queue
        # The nginx that proxies this socket (realtime/nginx_drain.py).
        self.nginx: str | None = None
        # Counts this process's sockets.
        self.number = next(_numbers)
        self.dialect: Dialect
        self.local: LocalUser | None = None
        self.rooms: dict[str, LiveRoom] = {}
        # The last alias used in its messages: as written, and as others see it.
        self.alias = ("", "")
        # Whether the client reported that its user is away from this device.
        self.away = False
        self.closed = False
        self.closing: asyncio.Task[None] | None = None
        # What features keep with this socket, by feature.
        self.state: dict[str, Any] = {}
        # Deferred replies not sent yet.
        self.in_flight = 0
        self._space: asyncio.Future[None] | None = None
        # Enough for a client that joins all its rooms again at once; too little for a flood.
        rate = settings.LIMIT_MESSAGES_PER_S
        self.frames = Bucket(rate and 5 * rate + 50, 10 * rate + 200)

    @property
    def credential_name(self) -> str:
        return credential_name(self.credential)

    @property
    def served(self) -> Any:
        """Return the consumer behind this socket, or its dialect: what a feature may have brought."""
        return self.state.get("consumer", type(self.dialect))

    def log_ids(self) -> dict[str, Any]:
        """Return what log lines say of this socket."""
        return {"connection": f"{self.hub.origin[:8]}-{self.number}", "user": self.user.id}

    def is_older_than(self, mark: str) -> bool:
        """Return whether the session is older than the password with that mark."""
        kind, *parts = self.credential.split(":")
        return kind == "session" and parts[1:] != [mark]

    # --- sending

    def push(self, text: str) -> None:
        self.push_batch(Batch([text]))

    def push_batch(self, batch: Batch) -> None:
        if batch.texts and not self.closed and not self.send_queue.push(batch):
            self.close_soon(Close.TOO_SLOW, "reads too slowly; resume")

    def close_soon(self, code: Close, reason: str) -> None:
        """Close from outside the socket's own task; the first code wins."""
        if not self.closed:
            self.closed = True
            metrics.CLOSED.labels(int(code)).inc()
            log.debug("a socket is closed", code=int(code), reason=reason, **self.log_ids())
            self.closing = self.hub.spawn(self.send_queue.close(int(code), reason))

    def removed_from(self, room: RoomRef) -> None:
        """End the subscription to a room that the person has left."""
        if type(self.dialect).signals:
            refusal = NotAMember(f"you are no longer a member of {room.slug}")
            self.push(protocol.error(None, refusal))
        else:
            self.close_soon(Close.REVOKED, "no longer a member")

    # --- receiving

    async def receive(self, text: str) -> None:
        """Handle one text frame. Raises SocketRefused if the socket must be closed."""
        if not self.frames.take():
            raise RateAbuse
        if self.local is not None and (ahead := self.local.frames.owe()):
            # No refusal: another client of the person has sent what is too much, perhaps.
            await asyncio.sleep(ahead)
        await self.dialect.text(text)

    def receive_at_once(self, text: str) -> bool:
        """Handle a text frame without a task if nothing waits.

        Return False, without effect, if `receive` must.

        Call it only after all earlier frames were handled.
        """
        if self.closed:
            return True
        if self.in_flight >= IN_FLIGHT - 1 or self.send_queue.above_high_water():
            return False
        earlier = about(self)  # the server's callbacks share a context
        try:
            return self.dialect.text_at_once(text)
        except Exception:
            log.exception("a socket failed", dialect=self.dialect.name)
            self.close_soon(Close.INTERNAL, "internal error")
            return True
        finally:
            about_again(earlier)

    async def handle(self, text: str, only: type[msgspec.Struct] = msgspec.Struct) -> None:
        """Handle a native frame: decode, perform, reply. `only`: the one kind of frame that this socket may send."""
        table, re = frames(), None
        try:
            frame = table.decode(text)
            re = frame.id
            if not isinstance(frame, only):
                raise Forbidden(f"this socket takes {only.__struct_config__.tag} only")
            reply = await self._perform(frame)
        except FrameRefused as refusal:
            self._refuse(re if re is not None else table.id_of(text), refusal)
            return
        self._answer(re, reply)
        if self.in_flight >= IN_FLIGHT:  # the next frame is read during this one's commit, but only IN_FLIGHT deep
            self._space = asyncio.get_running_loop().create_future()
            await self._space

    def handle_at_once(self, text: str) -> bool:
        """Handle a native frame as `handle` does.

        Return False, without effect, if it may wait or be refused.
        """
        table = frames()
        try:
            frame = table.decode(text)
        except FrameRefused:
            return False
        found = table.at_once.get(type(frame))
        if found is None or type(frame) in table.off or not self._take_frame():
            return False
        kind, handler = found
        try:
            reply = handler(self, frame)
            if type(reply) is not DeferredReply and iscoroutine(reply):
                reply.close()  # nothing of it has run: `handle` calls the handler again, and waits
                self._give_frame_back()
                return False
            self._answer(frame.id, reply)
        except FrameRefused as refusal:
            self._refuse(frame.id, refusal)
        metrics.FRAMES_IN.add(1, kind)
        return True

    def _take_frame(self) -> bool:
        """Take a token of the socket's limit of frames and of its person's; or none."""
        if not self.frames.take():
            return False
        if self.local is None or self.local.frames.take():
            return True
        self.frames.give_back()
        return False

    def _give_frame_back(self) -> None:
        self.frames.give_back()
        if self.local is not None:
            self.local.frames.give_back()

    async def perform(self, kind: str, fields: dict[str, Any]) -> dict[str, Any] | None:
        """Perform a native frame of another dialect. Raises FrameRefused."""
        reply = await self._perform(frames().convert(kind, fields))
        return reply.fields(await reply.done) if isinstance(reply, DeferredReply) else reply

    def _reply(self, re: FrameId, reply: dict[str, Any]) -> None:
        self.push(encode({"type": reply.pop("type"), "re": re, **reply}))

    def _refuse(self, re: FrameId, refusal: FrameRefused) -> None:
        self.count_refusal(refusal)
        self.push(protocol.error(re, refusal))

    def _answer(self, re: FrameId, reply: protocol.Reply) -> None:
        """Send the reply, now or when it is ready."""
        if isinstance(reply, DeferredReply):
            self.in_flight += 1
            reply.done.add_done_callback(functools.partial(self._replied, re, reply.fields))
        elif reply is not None:
            self._reply(re, reply)

    def _replied(self, re: FrameId, fields: Callable[[Any], dict[str, Any]], done: asyncio.Future[Any]) -> None:
        self.in_flight -= 1
        if self._space is not None:
            if not self._space.done():
                self._space.set_result(None)
            self._space = None
        if done.cancelled():
            return
        error = done.exception()
        if error is None:
            self._reply(re, fields(done.result()))
        elif isinstance(error, FrameRefused):
            self._refuse(re, error)
        else:
            log.error("a frame failed after it was accepted", exc_info=error, **self.log_ids())
            self.close_soon(Close.INTERNAL, "internal error")

    async def _perform(self, frame: msgspec.Struct) -> protocol.Reply:
        kind = str(type(frame).__struct_config__.tag)
        metrics.FRAMES_IN.add(1, kind)
        table = frames()
        table.refuse_off(frame)
        found = table.handlers[kind]
        if found.paced:
            await pace.calls().wait(self.user.id)
        try:
            answer = found.handle(self, frame)
            reply: protocol.Reply = await answer if isawaitable(answer) else answer
        except DatabaseUnavailable as error:
            raise Unavailable("the database is away; the same key may be sent again") from error
        return reply

    def count_refusal(self, refusal: FrameRefused) -> None:
        metrics.REFUSED.labels(refusal.code).inc()

    def take_message_token(self) -> bool:
        """Take a token for one message. The limit is per person, not per socket."""
        return self.local is None or self.local.bucket.take()

    # --- rooms

    def joined(self, slug: str) -> LiveRoom:
        """Return the room joined on this socket. Raises NotAMember."""
        room = self.find_joined(slug)
        if room is None:
            raise NotAMember(f"{slug[:64]} is not joined on this socket")
        return room

    def find_joined(self, slug: str) -> LiveRoom | None:
        """Return the room joined on this socket.

        None also if the slug is not in its stored form.
        """
        return self.rooms.get(folded(slug))

    def find_known(self, slug: str) -> RoomRef | None:
        """Return a room of this person's, if this process knows of the membership.

        Else ask the database.
        """
        return self.local.rooms.get(folded(slug)) if self.local else None

    async def join(self, ref: RoomRef, re: FrameId, read: Callable[[], Awaitable[Page]]) -> None:
        """Subscribe to a room and reply `room.joined`, without losing or repeating events."""
        room = await self.hub.opener.open(ref)
        again = self.hub.registry.detach(self, room)
        if self in room.joining:
            raise BadFrame("a join of this room is under way on this socket")
        room.joining[self] = []  # before any wait: a room without sockets forgets its people
        try:
            await self.hub.presence.open(room)
            page = await read()
        except BaseException:
            if again:  # the earlier subscription has ended: tell the client
                self.push(gap(ref, room.last_seq))
            raise
        finally:
            held = room.joining.pop(self, None)
            room.mark_used()
        if self.closed:
            return
        # Nothing waits from here to the end: an event that arrives now follows the reply.
        live = page.complete and held is not None
        if live:
            self.hub.attach(self, room, page.head)
        self.push(self._joined(room, page, re))
        if live and held:
            self.push_batch(batch_for(ref, self, [event for event in held if event.seq > page.head]))
        elif page.complete and not live:
            self.push(gap(ref, room.last_seq))
        if live:
            self.hub.live.joined(self, room)

    def _joined(self, room: LiveRoom, page: Page, re: FrameId) -> str:
        events = batch_for(room.ref, self, page.events).texts
        online_count, online, away = self.hub.presence.snapshot(room, self)
        return encode(
            {
                "type": "room.joined",
                "re": re,
                "room": room.ref.slug,
                "head": page.head,
                "events": [msgspec.Raw(event.encode()) for event in events],
                "more": page.more,
                "member_count": page.member_count,
                "online_count": online_count,
                "online": online,
                "away": away,
                "epoch": installation.known_epoch(),
            }
        )

    def leave(self, slug: str) -> None:
        """End this socket's subscription.

        Raises NotAMember if the room is not joined here.
        """
        self.hub.registry.detach(self, self.joined(slug))

    async def attach(self, refs: list[RoomRef]) -> None:
        """Push live events from now on: for dialects without history."""
        for room in await self.hub.opener.open_many(refs):
            if not self.closed and room.ref.slug not in self.rooms:
                self.hub.attach(self, room, room.last_seq)
            room.mark_used()

    def send_live_values(self, slug: str) -> None:
        """Send the kept live values of a joined room: for dialects without a join."""
        room = self.rooms.get(slug)
        if room is not None:
            self.hub.live.joined(self, room)

    def attach_soon(self, ref: RoomRef, after: int) -> None:
        self.hub.spawn(self._attach_from(ref, after))

    async def _attach_from(self, ref: RoomRef, after: int) -> None:
        try:
            await self.hub.attach_from(self, ref, after)
        except DatabaseUnavailable:
            # Without history there is no resume: the client reconnects and starts anew.
            self.close_soon(Close.RESTART, "the database is away")
