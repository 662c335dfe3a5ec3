"""Free TCP ports on loopback."""

import secrets
import socket
import time
from contextlib import suppress
from errno import EADDRINUSE

# Below the ports that systems give to clients. Otherwise a client that calls again and again while its server is away
# may be given the server's own port: it connects to itself, and the server cannot come back.
LOWEST, COUNT, TRIES = 20_000, 12_000, 100


def free_port() -> int:
    """Return a free TCP port.

    Another process may take it before you do, so be ready to retry.
    """
    for _ in range(TRIES):
        port = LOWEST + secrets.randbelow(COUNT)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError(EADDRINUSE, f"no port of {LOWEST} to {LOWEST + COUNT - 1} is free")


def accepts(port: int, host: str = "127.0.0.1") -> bool:
    """Return whether a server accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def wait_until_free(port: int, timeout: float = 10) -> None:
    """Wait until the port is free; raises TimeoutError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while accepts(port):
        if time.monotonic() > deadline:
            message = f"port {port} is still in use after {timeout} s"
            raise TimeoutError(message)
        time.sleep(0.05)
