"""Calls of Docker and of the scripts beside it, each within a time limit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .plan import Container, Version

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("web", "worker", "nginx")
# Where the settings have it (ACME_EMAIL).
COMPANION = "acme"

CALL_S = 60
# Docker starts nothing while its disk is busy; compose first looks at every service.
START_S = 180
CREATE_S = 300
BUILD_S = 4000
# Between a container's grace period, after which Docker kills it, and our patience.
STOP_MARGIN_S = 60
_SHELL = 'set -euo pipefail; . "$1/scripts/lib/roll_steps.sh"; "$2"'
# Asked over and over while others work: as in docker/web.Dockerfile, without urllib.
_ASK_READY = """\
import os, socket
s = socket.create_connection(('127.0.0.1', int(os.environ['PORT'])), 5)
s.sendall(b'GET /readyz HTTP/1.0\\r\\n\\r\\n')
assert b' 200 ' in s.recv(64)"""


class Failed(Exception):
    """The roll ends with this message, and code 1."""


class StepFailed(Exception):
    """A step of the shell has said what is wrong."""


def say(text: str) -> None:
    with suppress(OSError):  # the terminal may be gone
        print(text, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Answer:
    code: int
    output: str

    @property
    def ok(self) -> bool:
        return self.code == 0


class Engine:
    """Docker, with one project's compose files."""

    def __init__(self) -> None:
        # What a started program keeps open: the lock, so that it lasts as long as the work does.
        self.kept_open: tuple[int, ...] = ()
        self.project = ""
        self._settings = ""
        self._compose: tuple[str, ...] = ()
        self._images: dict[str, str] = {}

    # --- calls

    def docker(self, *arguments: str, within_s: float = CALL_S, quiet: bool = False) -> Answer:
        return self._run(("docker", *arguments), within_s, quiet=quiet)

    def compose(self, *arguments: str, within_s: float = CALL_S, quiet: bool = False) -> Answer:
        return self._run((*self._compose, *arguments), within_s, quiet=quiet)

    def step(self, name: str, within_s: float = CALL_S) -> str:
        """Run one function of scripts/lib/roll_steps.sh; return its output.

        Raises StepFailed.
        """
        environment = dict(os.environ, settings=self._settings) if self._settings else None
        command = ("bash", "-c", _SHELL, "roll", str(ROOT), name)
        answer = self._run(command, within_s, environment=environment)
        if not answer.ok:
            raise StepFailed(name)
        return answer.output

    def _run(
        self, command: Sequence[str], within_s: float, *, quiet: bool = False, environment: dict[str, str] | None = None
    ) -> Answer:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if quiet else None,
            pass_fds=self.kept_open,
        )
        try:
            output, _ = process.communicate(timeout=within_s)
        except BaseException as error:
            _end(process)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            if not quiet:
                say(f"No answer within {within_s:.0f} s: {' '.join(command[:4])} …")
            return Answer(124, "")
        return Answer(process.returncode, output.decode(errors="replace"))

    # --- what there is

    def look(self) -> None:
        """Check Docker and the settings; find the compose files and project they name."""
        files, _, self._settings = self.step("look", within_s=4 * CALL_S).partition("\n\n")
        chosen = (part for file in files.splitlines() for part in ("--file", file))
        self._compose = ("docker", "compose", "--project-directory", str(ROOT), *chosen)
        self._read_config()

    def _read_config(self) -> None:
        answer = self.compose("config", "--format", "json")
        if not answer.ok:
            raise Failed("compose does not read its files: see above")
        config = json.loads(answer.output)
        self.project = config["name"]
        for service in (*SERVICES, COMPANION):
            image = config["services"].get(service, {}).get("image", "")
            if image:
                self._images[service] = image
            elif service != COMPANION:
                raise Failed(f"the compose files have no service {service} with an image")

    def wanted(self) -> dict[str, Version]:
        """Return the version that each service should have.

        Raises Failed if its image is not here.
        """
        answer = self.compose("config", "--hash", "*")
        if not answer.ok:
            raise Failed("compose does not read its files: see above")
        hashes = dict(line.split() for line in answer.output.splitlines())
        ids: dict[str, str] = {}
        for image in self._images.values():
            if image in ids:
                continue
            found = self.docker("image", "inspect", "--format", "{{.Id}}", image, quiet=True)
            if not found.ok:
                raise Failed(f"there is no image {image}: --build builds it")
            ids[image] = found.output.strip()
        return {service: Version(ids[image], hashes[service]) for service, image in self._images.items()}

    def containers(self, service: str, *, one_offs: bool = False) -> list[Container]:
        """Return a service's containers, oldest first; ended ones too."""
        # Images that compose built carry the labels of their service, and so do containers made of them by hand. Only those of
        # compose have `oneoff`.
        labels = (f"project={self.project}", f"service={service}", "oneoff")
        filters = [part for label in labels for part in ("--filter", f"label=com.docker.compose.{label}")]
        answer = self.docker("ps", "--all", "--quiet", "--no-trunc", *filters)
        if not answer.ok:
            raise Failed("Docker does not answer: see above")
        found = [one for one in self.inspect(answer.output.split()).values() if one_offs or not one.is_one_off]
        return sorted(found, key=lambda one: one.created)

    def inspect(self, ids: Sequence[str]) -> dict[str, Container]:
        """Return the containers that exist, by id, in the order asked for."""
        if not ids:
            return {}
        # It fails when one of them is gone, and still prints the others.
        answer = self.docker("container", "inspect", *ids, quiet=True)
        try:
            found = json.loads(answer.output)
        except ValueError:
            raise Failed("Docker does not answer: `docker info` says more") from None
        return {one["Id"]: Container.from_inspect(one) for one in found}

    def answers_ready(self, container: Container) -> bool:
        """Ask the server itself whether database and migrations are there."""
        return self.docker("exec", container.id, "python", "-ISc", _ASK_READY, within_s=10, quiet=True).ok

    # --- changes

    def create(self, service: str, more: int) -> tuple[list[Container], bool]:
        """Create containers of the wanted version without a start.

        Return them, and whether it went well to the end. Nothing else is touched. Not with --no-deps: compose then writes
        another digest, and the next `make up` would replace all.
        """
        known = {one.id for one in self.containers(service)}
        options = ("--no-start", "--no-build", "--no-recreate", "--scale", f"{service}={len(known) + more}")
        answer = self.compose("up", *options, service, within_s=CREATE_S, quiet=True)
        made = [one for one in self.containers(service) if one.id not in known]
        return made, answer.ok

    def start(self, *ids: str, quiet: bool = False) -> bool:
        return self.docker("start", *ids, within_s=START_S, quiet=quiet).ok

    def end(self, container: Container) -> None:
        """SIGTERM, its grace period, and gone; raise Failed if it is still there."""
        self.docker("stop", container.id, within_s=container.stop_s + STOP_MARGIN_S)
        found = self.inspect([container.id]).get(container.id)
        if found and found.exit_code == 137:
            say(f"{container.name} did not end within its grace period and was killed.")
        if found and not self.docker("rm", "--volumes", container.id).ok and self.inspect([container.id]):
            raise Failed(f"{container.name} could not be removed; say scripts/roll again")

    def remove(self, container: Container) -> None:
        """End it at once, and gone."""
        self.docker("rm", "--force", "--volumes", container.id)

    def leave_network(self, name: str, container: Container) -> bool:
        if self.network(name) not in container.networks:
            return True
        return self.docker("network", "disconnect", self.network(name), container.id).ok

    def enter_network(self, name: str, container: Container) -> bool:
        """Connect it with the names that compose would have given it there."""
        if self.network(name) in container.networks:
            return True
        aliases = ("--alias", container.service, "--alias", container.name)
        return self.docker("network", "connect", *aliases, self.network(name), container.id).ok

    def network(self, name: str) -> str:
        """Return Docker's name for a network of compose.yaml."""
        return f"{self.project}_{name}"

    def show_log(self, container_id: str) -> None:
        with suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                ("docker", "logs", "--tail", "20", container_id),
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr,
                timeout=CALL_S,
                check=False,
            )


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, which compose passes on to its own; SIGKILL after 10 s."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
