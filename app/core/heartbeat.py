"""The interval between two pings of a socket."""

from __future__ import annotations

# Seconds, as announced in `hello`.
HEARTBEAT_S = 20
