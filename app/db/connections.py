"""How a process divides its DATABASE_CONNECTIONS. The ORM's threads have those that are left."""

from __future__ import annotations

# For the log's commits.
LOG_CONNECTIONS = 2
# For what the event loop looks up: who opens a socket, who is a member.
LOOKUP_CONNECTIONS = 1
LOOP_CONNECTIONS = LOG_CONNECTIONS + LOOKUP_CONNECTIONS
# Seconds after which a pool gives up an attempt to connect, and the next caller starts a new one. The pool's own default doubles
# its delays for five minutes: a database that is back would wait for the end of the last.
RECONNECT_S = 2
