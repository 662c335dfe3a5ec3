"""Free TCP ports on loopback."""

import socket
import time


def free_port() -> int:
    """Return a free TCP port.

    Another process may take it before you do, so be ready to retry.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


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
