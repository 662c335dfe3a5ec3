"""What a roll decides from Docker's reports, without Docker."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_LABEL = "com.docker.compose."


@dataclass(frozen=True)
class Version:
    """The version of the containers that compose would make of a service now.

    image: the image's id. config_hash: compose's digest of the settings.
    """

    image: str
    config_hash: str


@dataclass(frozen=True)
class Container:
    """One container, from `docker inspect`."""

    id: str
    name: str
    service: str
    created: str
    version: Version
    # Of `scripts/compose run`: an operator's command, no server of the stack.
    is_one_off: bool
    status: str
    # It runs, and Docker is not about to start it anew.
    runs: bool
    # starting, healthy or unhealthy as Docker has it; ended when it does not run, none without a health check.
    health: str
    restarts: int
    exit_code: int
    # Docker's grace period for its end.
    stop_s: int
    environment: tuple[str, ...]
    # Network → its address there, empty while it does not run.
    networks: Mapping[str, str]

    @classmethod
    def from_inspect(cls, found: Mapping[str, Any]) -> Container:
        config, state = found["Config"], found["State"]
        labels = config.get("Labels") or {}
        runs = bool(state["Running"]) and not state["Restarting"]
        return cls(
            id=found["Id"],
            name=found["Name"].lstrip("/"),
            service=labels.get(f"{_LABEL}service", ""),
            created=found["Created"],
            version=Version(found["Image"], labels.get(f"{_LABEL}config-hash", "")),
            is_one_off=labels.get(f"{_LABEL}oneoff") == "True",
            status=state["Status"],
            runs=runs,
            health=(state.get("Health") or {}).get("Status", "none") if runs else "ended",
            restarts=found["RestartCount"],
            exit_code=state["ExitCode"],
            stop_s=10 if config.get("StopTimeout") is None else config["StopTimeout"],
            environment=tuple(config.get("Env") or ()),
            networks={name: one["IPAddress"] for name, one in found["NetworkSettings"]["Networks"].items()},
        )

    def has_own_services(self) -> bool:
        """Return whether database and Redis are the stack's own.

        Its network `data` reaches them.
        """
        given = dict(line.partition("=")[::2] for line in self.environment)
        return all(_is_own(given, name, host) for name, host in (("DATABASE_URL", "postgres"), ("REDIS_URL", "redis")))


def _is_own(given: Mapping[str, str], name: str, host: str) -> bool:
    """Return whether an address is the stack's own.

    It is a secret of compose.yaml, unless the environment gives another.
    """
    if given.get(f"{name}_FILE"):
        return False
    address = given.get(name, "")
    found = re.search(r"@([a-z]*):", address)
    return not address or (found is not None and found[1] == host)


# --- which containers are replaced --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Memory:
    """The notes of a roll for the next one, which finishes it after an interruption."""

    count: int
    old: tuple[str, ...]
    # New ones that serve, perhaps alone: never removed.
    serving: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Memory:
        """Raise ValueError if no roll wrote this."""
        found: dict[str, list[str]] = {"count": [], "old": [], "serving": []}
        for line in text.splitlines():
            name, _, value = line.partition(" ")
            if name not in found or not re.fullmatch(r"[0-9a-f]+", value):
                raise ValueError(f"the line {line[:80]!r}")
            found[name].append(value)
        if len(found["count"]) != 1 or not re.fullmatch(r"[1-9][0-9]{0,4}", found["count"][0]):
            raise ValueError("no number of containers")
        return cls(int(found["count"][0]), tuple(found["old"]), tuple(found["serving"]))

    def text(self) -> str:
        lines = [f"count {self.count}", *(f"old {one}" for one in self.old), *(f"serving {one}" for one in self.serving)]
        return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True)
class Plan:
    """Ids of web containers, and their number in the end.

    old: the ones to replace. new: the ones of the wanted version.
    """

    count: int
    old: tuple[str, ...]
    new: tuple[str, ...]
    serving: tuple[str, ...]
    finishes: bool = False

    @property
    def missing(self) -> int:
        """Return how many new containers are to be created."""
        return max(0, self.count - len(self.new))

    def memory(self) -> Memory:
        return Memory(self.count, self.old, self.serving)


def make_plan(web: Sequence[Container], wanted: Version, memory: Memory | None, *, force: bool) -> Plan:
    """Return the plan for the web containers, oldest first.

    After an interruption the memory decides, so that a roll of current containers (`force`) ends, too.
    """
    present = {one.id for one in web}
    unfinished = present & set(memory.old) if memory else set()
    to_replace = unfinished or (present if force else set())
    new = tuple(one.id for one in web if one.id not in to_replace and one.version == wanted)
    old = tuple(one.id for one in web if one.id not in new)
    if memory and unfinished:
        return Plan(memory.count, old, new, memory.serving, finishes=True)
    # Nothing was written down of the new ones, yet they are there: people may be on them.
    return Plan(len(web), old, new, serving=new)


def split(containers: Sequence[Container], wanted: Version) -> tuple[Container | None, list[Container]]:
    """Return the one container of the wanted version, if there is one, and the others."""
    after = next((one for one in containers if one.version == wanted), None)
    return after, [one for one in containers if one is not after]


# --- whether a new one works --------------------------------------------------------------------------------------


def reason_to_give_up(container: Container | None, serving: Sequence[str]) -> str | None:
    """Return why a container that is not ready yet never will be.

    One that served before is given the time to recover.
    """
    if container is None or container.health == "ended":
        return "a new container ended"
    if container.id in serving:
        return None
    # A container that ends again and again runs at this moment only by chance.
    if container.restarts:
        return "a new container ended"
    return "a new container is unhealthy" if container.health == "unhealthy" else None
