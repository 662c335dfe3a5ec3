"""What the kernel is told of a server's TCP connections. On Linux those a socket takes have its options from the start."""

from __future__ import annotations

import contextlib
import socket
import sys
from typing import Any

# Not yet sent, of one socket; what is above waits in the transport, where it is seen and bounded.
KERNEL_BYTES = 65_536
# Linux's number; Python has no name for it.
TCP_RTO_MAX_MS = 44
RETRANSMIT_MS = 3_000


def tune(sock: Any) -> None:
    """Of a connection, or of a listening socket for all it takes: once, where four calls for each connection would be dear."""
    if sock is not None and sys.platform == "linux":
        _keep_little(sock)
        _retransmit_soon(sock)


def _keep_little(sock: Any) -> None:
    """Linux would take megabytes for a peer that does not read: memory nobody counts, and a slow reader nobody sees."""
    with contextlib.suppress(OSError):  # no TCP
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, KERNEL_BYTES)


def _retransmit_soon(sock: Any) -> None:
    """Bounds the pause between two tries of sending what was not acknowledged.

    The kernel doubles it, up to two minutes: after a cut nobody is told of, a socket would stay silent for as long again
    as the network was away. With the bound it is given up after about 40 s, as by an unanswered ping.
    """
    with contextlib.suppress(OSError):  # before Linux 6.15, or no TCP
        sock.setsockopt(socket.IPPROTO_TCP, TCP_RTO_MAX_MS, RETRANSMIT_MS)
