"""Debian's real nginx, started by nginx/start like in the container."""

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Self

import httpx

from tests.support.ports import free_port
from tests.support.processes import Process, StartError, start_on_free_ports

ROOT = Path(__file__).resolve().parents[2]
HASHED = "static/assets/main-B2cD4fGh.js"

# Lifted unless a test needs them: all tests share one address.
_LIFTED = {"LIMIT_HANDSHAKES_PER_S": "0", "LIMIT_REQUESTS_PER_S": "0", "LIMIT_CONNECTIONS": "0"}


@cache
def nginx_version() -> str:
    """Return the version of the installed nginx."""
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    answer = subprocess.run([nginx, "-v"], capture_output=True, text=True, check=True, timeout=10)
    found = re.search(r"nginx/([0-9.]+)", answer.stderr)
    assert found, answer.stderr
    return found[1]


class Upstream:
    """tests/nginx/upstream.py under uvicorn, in place of the app."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = 0

    def __enter__(self) -> Self:
        start_on_free_ports(self._start_on_some_port)
        return self

    def __exit__(self, *_exception: object) -> None:
        self.kill()

    def _start_on_some_port(self) -> None:
        self.port = free_port()
        self.start()

    def start(self) -> None:
        """Listen on `port`, also after a kill; raises StartError."""
        command = [sys.executable, "-m", "uvicorn", "tests.nginx.upstream:app", "--port", str(self.port)]
        command += ["--no-proxy-headers", "--lifespan", "off", "--ws", "websockets-sansio", "--no-access-log"]
        log = self.directory / "upstream.log"
        log.unlink(missing_ok=True)
        self._process = Process(command, env=os.environ, log=log, cwd=ROOT)
        try:
            self._process.wait_until(self._listens, timeout=30, what="upstream")
        except StartError:
            self.kill()
            raise

    def kill(self) -> None:
        """End it at once, with all its connections."""
        self._process.kill()

    def _listens(self) -> bool:
        return f"Uvicorn running on http://127.0.0.1:{self.port}" in self._process.log.read_text()


class Front:
    """One nginx.

    `env` are an operator's settings; without them the limits are lifted.
    """

    def __init__(self, directory: Path, upstream_ports: Sequence[int], env: Mapping[str, str]) -> None:
        self.directory = directory
        self.port = self.tls_port = 0
        self._env = {
            "PATH": f"{os.environ['PATH']}:/usr/sbin",
            "UPSTREAM": ",".join(f"127.0.0.1:{port}" for port in upstream_ports),
            "NGINX_VERSION": nginx_version(),
            "NGINX_TEMP": str(directory / "temp"),
            "NGINX_STATIC": str(directory / "files"),
            "NGINX_PAGES": str(directory / "files"),
            "NGINX_WORKER_PROCESSES": "1",  # so that the log is in order
            "NGINX_WORKER_CONNECTIONS": "512",
            # Workers of a root master run as www-data, which cannot read pytest's directories.
            "NGINX_GLOBAL": "user root;" if os.geteuid() == 0 else "",
            **_LIFTED,
            **env,
        }
        self._exits = ExitStack()

    def __enter__(self) -> Self:
        self._files()
        start_on_free_ports(self._start)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._exits.close()

    def _start(self) -> None:
        self.port, self.tls_port = free_port(), free_port()
        ports = {
            "NGINX_PORT": str(self.port),
            "NGINX_TLS_PORT": str(self.tls_port),
            "HTTPS_PORT": str(self.tls_port),
        }
        process = self.process = Process([ROOT / "nginx" / "start"], env=self._env | ports, log=self.directory / "log")
        self._exits.callback(process.kill)
        # Not whether the port answers: another process may have taken it.
        process.wait_until(lambda: "start worker process" in self.log, timeout=20, what="nginx")

    def _files(self) -> None:
        assets = (self.directory / "files" / HASHED).parent
        assets.mkdir(parents=True, exist_ok=True)
        shutil.copytree(ROOT / "nginx" / "errors", self.directory / "files" / "errors", dirs_exist_ok=True)
        (self.directory / "temp").mkdir(exist_ok=True)
        script = self.directory / "files" / HASHED
        script.write_text("export default 1;\n" * 200)
        subprocess.run(["gzip", "--keep", "--force", "-9", script], check=True, timeout=10)
        (self.directory / "files" / "static" / "icon.svg").write_text("<svg/>")

    @property
    def url(self) -> str:
        """Return the plain HTTP address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        """Return the WebSocket address."""
        return f"ws://127.0.0.1:{self.port}"

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Send a GET without following redirects."""
        return httpx.get(self.url + path, timeout=10, **options)

    def raw(self, request: bytes) -> bytes:
        """Send these exact bytes and return the answer until nginx closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(request)
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
        return answer

    @property
    def log(self) -> str:
        """Return nginx's access and error log so far."""
        return (self.directory / "log").read_text(errors="surrogateescape")

    def access(self, path: str) -> dict[str, Any]:
        """Return the newest access log entry for this path.

        Waits, as nginx logs after its answer.
        """
        deadline = monotonic() + 5
        while monotonic() < deadline:
            lines = [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]
            found = [line for line in lines if line["path"] == path]
            if found:
                return dict(found[-1])
            sleep(0.05)
        raise AssertionError(f"{path} was not logged:\n{self.log}")

    def settled_log(self) -> str:
        """Return nginx's log of all requests answered before this call."""
        marker = f"/marker-{secrets.token_hex(8)}"
        self.get(marker)
        self.access(marker)
        return self.log
