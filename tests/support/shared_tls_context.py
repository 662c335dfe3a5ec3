"""httpx reads every certificate authority for each client it makes: 40 ms of processor time. Tests make thousands of them."""

from functools import cache

import httpx
from httpx._transports import default as transports


def share_tls_contexts() -> None:
    """Have httpx make one TLS context for each way to verify, and use it for all clients of this process."""
    transports.create_ssl_context = cache(httpx.create_ssl_context)  # type: ignore[attr-defined]
