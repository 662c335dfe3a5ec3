"""How a connection ended, and the backoff before the next.

Pure.
"""

import random
import struct
from dataclasses import dataclass
from typing import Literal, Self

How = Literal["asked", "dropped", "server", "silent", "refused", "failed"]
_NO_CODE, _ABNORMAL = 1005, 1006


@dataclass(frozen=True)
class Closing:
    """The end of a connection, or of an attempt to connect.

    how: `asked` (disconnect, move), `dropped` (drop), `server` (closed by it, or lost: 1006), `silent` (an expected sign of life
    is missing), `refused` (the handshake got HTTP `status`), `failed` (no server). code: the WebSocket close code.
    lasted: seconds it was open, 0 if it never was.
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
        """Read the body of a close frame; 1005 if it has no code."""
        code = struct.unpack("!H", data[:2])[0] if len(data) >= 2 else _NO_CODE
        return cls("asked" if asked else "server", code, data[2:].decode(errors="replace"))


def full_jitter(attempt: int, first: float, most: float) -> float:
    """Return the seconds before retry `attempt` (0, 1, …).

    Random below the exponential bound.
    """
    return random.uniform(0, min(most, first * 2.0 ** min(attempt, 30)))
