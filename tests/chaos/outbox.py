"""One client's messages: numbered, keyed, repeated until acknowledged."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.chaos.records import Ack

# The server answers within 5 s; after that the reply is lost and the message is repeated.
ANSWER_S = 7.0
MOST_PENDING = 100
AGAIN = frozenset({"unavailable", "rate_limited"})

Frame = dict[str, Any]


@dataclass(slots=True)
class _Message:
    room: str
    key: str
    text: str
    timer: asyncio.TimerHandle | None = None


class Outbox:
    """`wire` sends one frame without waiting, through a connected socket.

    None while offline.
    """

    def __init__(self, name: str, chance: random.Random) -> None:
        self.name, self.chance = name, chance
        self.author = 0
        self.acks: list[Ack] = []
        self.retries = 0
        self._written = 0
        self._pending: dict[str, _Message] = {}
        self._wire: Callable[[Frame], None] | None = None

    @property
    def pending(self) -> list[str]:
        """Return the unanswered keys."""
        return list(self._pending)

    def write(self, room: str, extra: str = "") -> None:
        """Queue one message, but at most MOST_PENDING: a person would stop typing, too."""
        if len(self._pending) < MOST_PENDING:
            self._written += 1
            key = f"{self.name}-{self._written}"
            self._pending[key] = message = _Message(room, key, f"{key} {self.chance.getrandbits(64):016x}{extra}")
            self._send(message)

    def connected(self, author: int, wire: Callable[[Frame], None]) -> None:
        """Send all unanswered messages again over a new socket."""
        self.author, self._wire = author, wire
        for message in self._pending.values():
            self._again(message)

    def lost(self) -> None:
        """Forget the socket and its outstanding replies."""
        self._wire = None
        for message in self._pending.values():
            self._stop(message)

    def replied(self, reply: Frame, now: float) -> str | None:
        """Record a `message.sent` or an `error`; return its fault, if any."""
        if reply["type"] == "error":
            message = self._pending.get(reply["re"])
            if message is None:
                return f"an error for a message that waits for none: {reply}"
            if reply["code"] not in AGAIN:
                return f"message.send was refused: {reply}"
            self._stop(message)
            message.timer = asyncio.get_running_loop().call_later(self.chance.uniform(0.2, 1.5), partial(self._again, message))
            return None
        self.acks.append(Ack(reply["room"], self.author, reply["re"], reply["seq"], now))
        message = self._pending.pop(reply["re"], None)
        if message is not None:  # both answers to a repeated key may arrive
            self._stop(message)
        return None

    def _again(self, message: _Message) -> None:
        self.retries += 1
        self._send(message)

    def _send(self, message: _Message) -> None:
        self._stop(message)
        if self._wire is None or message.key not in self._pending:
            return
        fields = {"room": message.room, "key": message.key, "text": message.text}
        self._wire({"type": "message.send", "id": message.key, **fields})
        wait = ANSWER_S * self.chance.uniform(1.0, 1.2)
        message.timer = asyncio.get_running_loop().call_later(wait, partial(self._again, message))

    @staticmethod
    def _stop(message: _Message) -> None:
        if message.timer is not None:
            message.timer.cancel()
            message.timer = None
