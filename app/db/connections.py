"""Divide a process's DATABASE_CONNECTIONS.

The ORM's threads get the remainder.
"""

from __future__ import annotations

# Commits of the log.
LOG_CONNECTIONS = 2
# Look-ups of the event loop: credentials and memberships.
LOOKUP_CONNECTIONS = 1
LOOP_CONNECTIONS = LOG_CONNECTIONS + LOOKUP_CONNECTIONS
# Seconds after which a pool gives up connecting; the next caller starts a new attempt. By default the pool doubles its delays
# for five minutes, so that a recovered database would have to wait for the last one.
RECONNECT_S = 2
