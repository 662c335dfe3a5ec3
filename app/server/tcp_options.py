"""Set TCP options of a server's connections."""

from __future__ import annotations

import contextlib
import socket
import sys
from typing import Any

# Limit of unsent bytes in the kernel, per socket. The transport holds the rest, where it is counted and bounded.
KERNEL_BYTES = 65_536
# Linux's option number; Python has no name for it.
TCP_RTO_MAX_MS = 44
RETRANSMIT_MS = 3_000


def tune(sock: Any) -> None:
    """Tune a connection; `sock` as its transport gives it, None for none."""
    if sock is not None and sys.platform == "linux":
        _keep_little(sock)
        _retransmit_soon(sock)


def _keep_little(sock: Any) -> None:
    """Limit the kernel's send buffer.

    Megabytes there would be uncounted and hide a slow reader.
    """
    with contextlib.suppress(OSError):  # not a TCP socket
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, KERNEL_BYTES)


def _retransmit_soon(sock: Any) -> None:
    """Limit the pause between two retransmissions.

    The kernel doubles it up to two minutes: after a silent network failure a socket would stay silent for as long again. With
    the limit the connection is given up after about 40 s, as by an unanswered ping.
    """
    with contextlib.suppress(OSError):  # Linux before 6.15, or not a TCP socket
        sock.setsockopt(socket.IPPROTO_TCP, TCP_RTO_MAX_MS, RETRANSMIT_MS)
