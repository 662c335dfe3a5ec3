"""How often a socket is asked for a sign of life."""

from __future__ import annotations

# Seconds, as `hello` announces them.
HEARTBEAT_S = 20
