"""The stack of `make up` from a copy of the checkout.

stack.url                                  http://127.0.0.1:PORT, nginx
stack.compose("up", "--detach", …)         docker compose with the same project and settings
stack.containers("web")                    docker inspect of each
stack.address(container, "edge")           the address of one replica, past nginx
stack.logs("web")                          the logs of a service
"""

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx

from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("nginx", "web", "worker", "migrate", "redis", "postgres")
_BUILT_FROM = (
    ".dockerignore",
    ".env.example",
    "compose.yaml",
    "compose.tls.yaml",
    "compose.acme.yaml",
    "compose.archive.yaml",
    "compose.loadtest.yaml",
    "compose.observability.yaml",
    "install.sh",
)
_BUILT_FROM_FOLDERS = ("app", "docker", "frontend", "monitoring", "nginx", "requirements", "scripts")
_LEFT_OUT = shutil.ignore_patterns("node_modules", "dist", "__pycache__", "tests", "*.tsbuildinfo")

# All test users share one address and few seconds; a test of a limit sets its own.
_SETTINGS = {
    "WEB_REPLICAS": "2",
    "ALLOW_SEED": "1",
    "DRAIN_SECONDS": "3",
    "LIMIT_CALLS_PER_S": "0",
    "LIMIT_CONNECTIONS": "0",
    "LIMIT_HANDSHAKES_PER_S": "0",
    "LIMIT_MESSAGES_PER_S": "0",
    "LIMIT_REQUESTS_PER_S": "0",
    "LIMIT_ROOMS_PER_H": "0",
    "LIMIT_SIGNUPS_PER_H": "0",
    "LIMIT_SOCKETS_PER_USER": "0",
}

Answer = subprocess.CompletedProcess[str]


def copy_checkout(directory: Path) -> None:
    """Copy the sources of the stack: not the developer's .env, nor earlier builds."""
    for name in _BUILT_FROM:
        shutil.copy2(ROOT / name, directory / name)
    for name in _BUILT_FROM_FOLDERS:
        shutil.copytree(ROOT / name, directory / name, ignore=_LEFT_OUT)


def clear_checkout(directory: Path) -> None:
    """Remove a version's files; the operator's .env and the scripts' own files stay."""
    for path in directory.iterdir():
        if path.name in {".env", "var"}:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


@dataclass(frozen=True)
class Replica:
    """A container, by what compose compares before it replaces one."""

    config_hash: str
    image: str
    # Its image has the tag now.
    has_current_image: bool
    # It is healthy, or ended well where that is its purpose.
    is_up: bool

    @property
    def is_current(self) -> bool:
        return self.has_current_image and self.is_up


class Stack:
    """One project of docker compose."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.project = f"hubbub-test-{secrets.token_hex(4)}"
        self.port = free_port()
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG") if name in os.environ}
        self.env = kept | _SETTINGS
        self.env |= {"COMPOSE_PROJECT_NAME": self.project, "HTTP_PORT": str(self.port), "IMAGE_TAG": self.project}
        self.greeting = ""
        self._started: dict[str, list[Replica]] = {}

    @property
    def url(self) -> str:
        """Return nginx's address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def ws(self, path: str) -> str:
        """Return the address of a socket through nginx."""
        return f"ws://127.0.0.1:{self.port}{path}"

    def script(self, name: str, *arguments: str, timeout: float = 900, **options: Any) -> Answer:
        """Run scripts/NAME of the copy; the caller looks at the exit code."""
        command = [self.directory / "scripts" / name, *arguments]
        return _run(command, timeout=timeout, **({"env": self.env, "cwd": self.directory} | options))

    def up(self) -> None:
        """Run `make up`; raises AssertionError with its output when it fails."""
        answer = self.script("up")
        assert answer.returncode == 0, answer.stdout + answer.stderr
        self.greeting = answer.stdout
        self._started = self._replicas()

    def restore(self) -> None:
        """Bring it to the state of its start, by compose if it differs."""
        now = self._replicas()
        if all(one.is_current for ones in now.values() for one in ones) and _kinds(now) == _kinds(self._started):
            return
        answer = self.compose("up", "--detach", "--no-build", "--wait", timeout=180)
        assert answer.returncode == 0, answer.stderr

    def is_settled(self) -> bool:
        """Return whether as many servers are up as at the start.

        All servers of a service must have one version, whichever it is.
        """
        now = self._replicas()
        servers = {service: ones for service, ones in self._started.items() if service != "migrate"}
        return all(
            len(now.get(service, ())) == len(were) and all(one.is_up for one in now[service]) and len(set(now[service])) == 1
            for service, were in servers.items()
        )

    def _replicas(self) -> dict[str, list[Replica]]:
        """Return the containers of each service."""
        found: dict[str, list[Replica]] = {}
        containers = self._inspect()
        names = sorted({str(one["Config"]["Image"]) for one in containers})
        ids = _run(["docker", "image", "inspect", "--format", "{{.Id}}", *names]).stdout.split()
        current = dict(zip(names, ids, strict=True))
        for one in containers:
            labels = one["Config"]["Labels"]
            image = str(one["Image"])
            replica = Replica(
                labels.get("com.docker.compose.config-hash", ""), image, image == current[one["Config"]["Image"]], _is_up(one)
            )
            found.setdefault(labels["com.docker.compose.service"], []).append(replica)
        return found

    def remove(self) -> None:
        """End it, keep its logs as artefacts, and remove everything else."""
        kept = ROOT / "artifacts" / "stack" / os.environ.get("PYTEST_XDIST_WORKER", "")
        kept.mkdir(parents=True, exist_ok=True)
        for service in SERVICES:
            (kept / f"{service}.log").write_text(self.logs(service))
        cleaned = self.script("clean", "--yes")
        _run(["docker", "image", "rm", "--force", f"{self.project}-web:{self.project}", f"{self.project}-nginx:{self.project}"])
        mine = f"label=com.docker.compose.project={self.project}"
        left = {kind: _run(["docker", kind, "ls", "--quiet", "--filter", mine]).stdout for kind in ("volume", "network")}
        left["container"] = _run(["docker", "ps", "--all", "--quiet", "--filter", mine]).stdout
        assert not any(left.values()), f"`make clean` left {left}\n{cleaned.stderr}"

    def secret(self, name: str) -> str:
        """Return the content of a file that compose mounts."""
        return (self.directory / "var" / "secrets" / name).read_text()

    def compose(self, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 120) -> Answer:
        """Run docker compose on the copy; `env` adds to the settings.

        The caller looks at the exit code.
        """
        return _run(
            ["docker", "compose", "--ansi", "never", *arguments],
            env=self.env | dict(env or {}),
            cwd=self.directory,
            timeout=timeout,
        )

    def exec(self, service: str, *command: str) -> Answer:
        """Run a command in the (first) container of a service."""
        return self.compose("exec", "-T", service, *command)

    def containers(self, service: str) -> list[dict[str, Any]]:
        """Return docker inspect of a service's containers, oldest first.

        Ended ones are included.
        """
        return self._inspect(f"service={service}")

    def _inspect(self, *labels: str) -> list[dict[str, Any]]:
        """Return docker inspect of the containers with these compose labels, oldest first.

        Not by `compose ps`, which takes ten times as long. Containers made by hand of its images have most of the labels,
        but not `oneoff`.
        """
        filters = [f"--filter=label=com.docker.compose.{label}" for label in (f"project={self.project}", "oneoff=False", *labels)]
        names = _run(["docker", "ps", "--all", "--quiet", "--no-trunc", *filters]).stdout.split()
        found: list[dict[str, Any]] = json.loads(_run(["docker", "inspect", *names]).stdout) if names else []
        return sorted(found, key=lambda container: str(container["Created"]))

    def address(self, container: Mapping[str, Any], network: str) -> str:
        """Return a container's address in one of the stack's networks."""
        return str(container["NetworkSettings"]["Networks"][f"{self.project}_{network}"]["IPAddress"])

    def logs(self, service: str) -> str:
        """Return the logs of all containers of a service."""
        answers = [_run(["docker", "logs", container["Id"]]) for container in self.containers(service)]
        return "".join(answer.stdout + answer.stderr for answer in answers)

    def access_log(self) -> list[dict[str, Any]]:
        """Return nginx's access log, parsed."""
        return [json.loads(line) for line in self.logs("nginx").splitlines() if line.startswith("{")]

    def wait_ready(self, timeout: float = 60) -> None:
        """Wait until nginx reaches a ready server."""
        deadline = monotonic() + timeout
        while True:
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            assert monotonic() < deadline, f"not ready within {timeout} s\n{self.logs('nginx')[-3000:]}"
            sleep(0.2)


def _kinds(replicas: Mapping[str, list[Replica]]) -> dict[str, list[str]]:
    return {service: sorted(one.config_hash for one in ones) for service, ones in replicas.items()}


def _is_up(container: Mapping[str, Any]) -> bool:
    state = container["State"]
    if state["Running"]:
        return str((state.get("Health") or {}).get("Status", "healthy")) == "healthy"
    return container["HostConfig"]["RestartPolicy"]["Name"] == "no" and state["ExitCode"] == 0


def tls_files(directory: Path) -> dict[str, str]:
    """Return the settings of a certificate for localhost and its key."""
    files = {"TLS_CERTIFICATE": str(directory / "certificate.pem"), "TLS_KEY": str(directory / "key.pem")}
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    answer = _run([*command, "-keyout", files["TLS_KEY"], "-out", files["TLS_CERTIFICATE"]], timeout=30)
    assert answer.returncode == 0, answer.stderr
    Path(files["TLS_KEY"]).chmod(0o644)  # uid 101 has to read it
    return files


def _run(command: list[Any], *, timeout: float = 120, **options: Any) -> Answer:
    given = {"input": ""} | options
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, **given)
