"""The native protocol of one connection: decode a frame, perform it, reply."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any

import msgspec
import structlog

from core import metrics, pace
from core.errors import (
    Close,
    Empty,
    Forbidden,
    FrameRefused,
    NoSuchRoom,
    NotAMember,
    RateAbuse,
    RateLimited,
    SocketRefused,
    TooLong,
    Unavailable,
)
from core.logging import about, about_again
from db.database import DatabaseUnavailable
from realtime import protocol
from realtime.connection import Connection
from realtime.events import DeferredReply, FrameId, encode
from realtime.ports import domains, frame_table

logger = structlog.get_logger(__name__)

# Deferred replies of one socket. Above it the next frame is not read.
IN_FLIGHT = 64
MSG_AWAY = "the database is away; the same key may be sent again"
# Refusals that the first frame of a key would have got, too, or after which the client sends the key again.
SAME_AS_FIRST = (Empty, TooLong, NoSuchRoom, NotAMember, RateLimited, Unavailable)


class Session(Connection):
    """The input of a socket.

    A frame is handled at once; its awaitable is returned, for the socket's task to await.
    """

    __slots__ = ()

    # --- receiving

    def on_text(self, text: str) -> Awaitable[None] | None:
        """Handle a text frame outside of the socket's task.

        Never raises.

        Return the awaitable that must end before the next frame, or None.
        """
        if self.closed:
            return None
        earlier = about(self)  # the server's callbacks share a context
        try:
            return self.receive(text)
        except SocketRefused as refusal:
            self.close_soon(refusal.close_code, refusal.reason)
        except Exception:
            logger.exception("a socket failed", dialect=self.dialect.name)
            self.close_soon(Close.INTERNAL, "internal error")
        finally:
            about_again(earlier)
        return None

    def receive(self, text: str) -> Awaitable[None] | None:
        """Handle one text frame.

        Return what must be awaited before the next one, if anything.

        Raises SocketRefused, also when awaited, if the socket must be closed.
        """
        if not self.frame_limiter.take():
            raise RateAbuse
        local = self.local
        if local is not None and not local.frame_limiter.take():
            # No refusal: another client of the person has sent what is too much, perhaps.
            return self._receive_after(local.frame_limiter.owe(), text)
        rest = self.dialect.text(text)
        return self._reader_behind() if rest is None and self.send_queue.above_high_water() else rest

    async def _receive_after(self, seconds: float, text: str) -> None:
        await asyncio.sleep(seconds)
        if (rest := self.dialect.text(text)) is not None:
            await rest

    async def _reader_behind(self) -> None:
        """Wait until the client has read: replies keep to its speed."""
        if self.send_queue.above_high_water():
            await self.send_queue.drain()

    def handle(self, text: str, only: type[msgspec.Struct] | None = None) -> Awaitable[None] | None:
        """Handle a native frame.

        Return what must be awaited, as `receive` does.

        `only`: the one kind of frame that this socket may send.
        """
        table, re = frame_table(), None
        try:
            frame = table.decode(text)
            re = frame.id
            if only is not None and not isinstance(frame, only):
                raise Forbidden(f"this socket takes {only.__struct_config__.tag} only")
            reply = self._call(table, frame)
        except FrameRefused as refusal:
            self._refuse(re if re is not None else table.id_of(text), refusal)
            return None
        if type(reply) is not DeferredReply and isawaitable(reply):
            return self._finish(re, frame, reply)
        return self._answer(re, reply)

    def _call(self, table: protocol.Frames, frame: msgspec.Struct) -> protocol.Reply | Awaitable[protocol.Reply]:
        """Call the frame's handler.

        Raises FrameRefused.
        """
        kind, paced, handler = table.by_struct[type(frame)]
        metrics.FRAMES_IN.add(1, kind)
        if type(frame) in table.off:
            raise table.refusal_of(frame)
        if paced:
            return self._paced(handler, frame)
        try:
            reply: protocol.Reply | Awaitable[protocol.Reply] = handler(self, frame)
        except DatabaseUnavailable as error:
            raise Unavailable(MSG_AWAY) from error
        return reply

    async def _paced(self, handler: Callable[[Any, Any], Any], frame: msgspec.Struct) -> protocol.Reply:
        await pace.calls().wait(self.user.id)
        reply = handler(self, frame)
        done: protocol.Reply = await reply if isawaitable(reply) else reply
        return done

    async def _finish(self, re: FrameId, frame: msgspec.Struct, reply: Awaitable[protocol.Reply]) -> None:
        try:
            try:
                done = await _awaited(reply)
            except FrameRefused as refusal:
                done = await self._stored_before(frame, refusal)
        except FrameRefused as refusal:
            self._refuse(re, refusal)
            return
        if (rest := self._answer(re, done)) is not None:
            await rest

    async def _stored_before(self, frame: msgspec.Struct, refusal: FrameRefused) -> protocol.Reply:
        """Return the first reply to the key of a refused durable frame.

        Its message may have been stored before its file or a name had gone. Raises the refusal for any other frame.
        """
        if "key" not in frame.__struct_fields__ or isinstance(refusal, SAME_AS_FIRST):
            raise refusal
        await pace.calls().wait(self.user.id)
        stored = await _awaited(domains().stored_before(self.user.id, frame))
        if stored is None:
            raise refusal
        return stored

    async def perform(self, kind: str, fields: dict[str, Any]) -> dict[str, Any] | None:
        """Perform a native frame of another dialect.

        Raises FrameRefused.
        """
        table = frame_table()
        called = self._call(table, table.convert(kind, fields))
        reply = await _awaited(called) if not isinstance(called, DeferredReply) and isawaitable(called) else called
        return reply.fields(await reply.done) if isinstance(reply, DeferredReply) else reply

    # --- replying

    def _answer(self, re: FrameId, reply: protocol.Reply) -> Awaitable[None] | None:
        """Send the reply, now or when it is ready.

        Return the wait for fewer deferred replies, if there are too many.
        """
        if isinstance(reply, DeferredReply):
            self.in_flight += 1
            reply.done.add_done_callback(functools.partial(self._replied, re, reply.fields))
            if self.in_flight >= IN_FLIGHT:
                return self._more_space()
        elif reply is not None:
            self._reply(re, reply)
        return None

    async def _more_space(self) -> None:
        if self.in_flight >= IN_FLIGHT:
            self.space = asyncio.get_running_loop().create_future()
            await self.space

    def _replied(self, re: FrameId, fields: Callable[[Any], dict[str, Any]], done: asyncio.Future[Any]) -> None:
        self.in_flight -= 1
        if self.space is not None:
            if not self.space.done():
                self.space.set_result(None)
            self.space = None
        if done.cancelled():
            return
        error = done.exception()
        if error is None:
            self._reply(re, fields(done.result()))
        elif isinstance(error, FrameRefused):
            self._refuse(re, error)
        else:
            logger.error("a frame failed after it was accepted", exc_info=error, **self.log_ids())
            self.close_soon(Close.INTERNAL, "internal error")

    def _reply(self, re: FrameId, reply: dict[str, Any]) -> None:
        self.push(encode({"type": reply.pop("type"), "re": re, **reply}))

    def _refuse(self, re: FrameId, refusal: FrameRefused) -> None:
        self.count_refusal(refusal)
        self.push(protocol.error(re, refusal))

    def count_refusal(self, refusal: FrameRefused) -> None:
        metrics.REFUSED.labels(refusal.code).inc()

    def take_message_token(self) -> bool:
        """Take a token for one message.

        The limit is per person, not per socket.
        """
        return self.local is None or self.local.bucket.take()


async def _awaited(reply: Awaitable[protocol.Reply]) -> protocol.Reply:
    """Await a handler's reply.

    Raises FrameRefused.
    """
    try:
        return await reply
    except DatabaseUnavailable as error:
        raise Unavailable(MSG_AWAY) from error
