"""One authenticated connection: who it is, and its send side."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import structlog
from django.conf import settings

from core import metrics
from core.errors import Close, NotAMember
from core.limits import Bucket
from realtime import protocol
from realtime.dialects.base import Dialect
from realtime.events import Person, RoomRef, credential_name
from realtime.hub import Hub
from realtime.live_room import LiveRoom
from realtime.local_users import LocalUser
from realtime.send_queue import Batch, SendQueue

logger = structlog.get_logger(__name__)

_numbers = itertools.count(1)


class Connection:
    """A socket's client, its send side, and the state that hub and features keep.

    Input: realtime/session.py.
    """

    __slots__ = (
        "__weakref__",
        "alias",
        "away",
        "closed",
        "closing",
        "credential",
        "dialect",
        "frame_limiter",
        "hub",
        "in_flight",
        "local",
        "nginx",
        "number",
        "rooms",
        "send_queue",
        "space",
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
        # Ends the wait for fewer deferred replies.
        self.space: asyncio.Future[None] | None = None
        # Enough for a client that joins all its rooms again at once; too little for a flood.
        rate = settings.LIMIT_MESSAGES_PER_S
        self.frame_limiter = Bucket(rate and 5 * rate + 50, 10 * rate + 200)

    @property
    def credential_name(self) -> str:
        return credential_name(self.credential)

    @property
    def served(self) -> Any:
        """Return the consumer behind this socket, or its dialect.

        Both may belong to a feature.
        """
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
            logger.debug("a socket is closed", code=int(code), reason=reason, **self.log_ids())
            self.closing = self.hub.spawn(self.send_queue.close(int(code), reason))

    def removed_from(self, room: RoomRef) -> None:
        """End the subscription to a room that the person has left."""
        if type(self.dialect).signals:
            refusal = NotAMember(f"you are no longer a member of {room.slug}")
            self.push(protocol.error(None, refusal))
        else:
            self.close_soon(Close.REVOKED, "no longer a member")
