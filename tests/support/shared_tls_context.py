"""Shares httpx's TLS context between clients.

Reading the authorities takes 40 ms for each of thousands of clients.
"""

from functools import cache

import httpx
from httpx._transports import default as transports


def share_tls_contexts() -> None:
    """Let httpx make one TLS context for each kind of verification in this process."""
    transports.create_ssl_context = cache(httpx.create_ssl_context)  # type: ignore[attr-defined]
