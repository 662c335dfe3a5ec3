"""The container's nginx configuration in front of the product.

nginx runs on the server's core, plain and with TLS.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import cpu
from tests.support.ports import accepts, free_port
from tests.support.processes import Process

ROOT = Path(__file__).resolve().parents[1]


class Proxy:
    """One running nginx."""

    def __init__(self, process: Process, port: int, tls_port: int) -> None:
        self.process, self.port, self.tls_port = process, port, tls_port

    def pids(self) -> list[int]:
        """Return the pids of master and workers."""
        return self.process.members()


@contextmanager
def nginx(upstream: int, workers: int = 1) -> Iterator[Proxy]:
    """Proxy to `upstream` without limits, on the one core, with so many nginx workers."""
    with tempfile.TemporaryDirectory(prefix="hubbub-bench-") as name:
        directory = Path(name)
        (directory / "temp").mkdir()
        key, certificate = directory / "key.pem", directory / "certificate.pem"
        options = ["-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
        command = ["openssl", "req", "-x509", *options, "-keyout", str(key), "-out", str(certificate)]
        subprocess.run(command, check=True, capture_output=True)
        several = {"NGINX_WORKER_PROCESSES": str(workers)}
        # Both listen: with a certificate the plain port only redirects to TLS.
        with _start(directory / "plain", upstream, several) as (plain, port, _):
            tls = several | {"TLS_CERTIFICATE": str(certificate), "TLS_KEY": str(key)}
            with _start(directory / "tls", upstream, tls) as (secure, _, tls_port):
                proxy = Proxy(plain, port, tls_port)
                proxy.pids = lambda: plain.members() + secure.members()  # type: ignore[method-assign]
                yield proxy


@contextmanager
def _start(directory: Path, upstream: int, extra: dict[str, str]) -> Iterator[tuple[Process, int, int]]:
    (directory / "temp").mkdir(parents=True)
    (directory / "files").mkdir()
    port, tls_port = free_port(), free_port()
    env = dict.fromkeys(("LIMIT_HANDSHAKES_PER_S", "LIMIT_REQUESTS_PER_S", "LIMIT_CONNECTIONS"), "0") | {
        "PATH": f"{os.environ['PATH']}:/usr/sbin",
        "UPSTREAM": f"127.0.0.1:{upstream}",
        "NGINX_VERSION": _version(),
        "NGINX_TEMP": str(directory / "temp"),
        "NGINX_STATIC": str(directory / "files"),
        "NGINX_PAGES": str(directory / "files"),
        "NGINX_WORKER_PROCESSES": "1",
        "NGINX_GLOBAL": "user root;" if os.geteuid() == 0 else "",
        "NGINX_PORT": str(port),
        "NGINX_TLS_PORT": str(tls_port),
        "HTTPS_PORT": str(tls_port),
        **extra,
    }
    with cpu.on_core(cpu.SERVER_CORE):
        process = Process([ROOT / "nginx" / "start"], env=env, log=directory / "log")
    try:
        process.wait_until(lambda: accepts(tls_port if "TLS_KEY" in extra else port), timeout=20, what="nginx")
        yield process, port, tls_port
    finally:
        process.kill()


def _version() -> str:
    path = f"{os.environ['PATH']}:/usr/sbin"
    done = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True, env={"PATH": path})
    return done.stderr.split("nginx/")[1].split()[0]
