"""How a connection ended, and how long to wait before the next. Pure."""

import random
import struct
from dataclasses import dataclass
from typing import Literal, Self

How = Literal["asked", "dropped", "server", "silent", "refused", "failed"]
_NO_CODE, _ABNORMAL = 1005, 1006


@dataclass(frozen=True)
class Closing:
    """How a connection, or the attempt to get one, ended.

    how: `asked` (disconnect, move), `dropped` (drop), `server` (it closed, or vanished: 1006), `silent` (it owed us a
    sign of life), `refused` (the handshake got HTTP `status`), `failed` (nobody there). code: the WebSocket close code.
    lasted: seconds it was open, 0 when it never was.
    """

    how: How
    code: int = _ABNORMAL
    reason: str = ""
    status: int = 0
    lasted: float = 0.0

    def __str__(self) -> str:
        answer = f"HTTP {self.status}" if self.status else f"code {self.code}"
        return f"{self.how} ({answer}{', ' if self.reason else ''}{self.reason})"

    @classmethod
    def from_frame(cls, data: bytes, *, asked: bool) -> Self:
        """Read the body of a close frame; 1005 when it carries no code."""
        code = struct.unpack("!H", data[:2])[0] if len(data) >= 2 else _NO_CODE
        return cls("asked" if asked else "server", code, data[2:].decode(errors="replace"))


def full_jitter(attempt: int, first: float, most: float) -> float:
    """Seconds to wait before retry `attempt` (0, 1, …): anywhere between 0 and the exponential bound."""
    return random.uniform(0, min(most, first * 2.0 ** min(attempt, 30)))
