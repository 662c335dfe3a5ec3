"""One timed run of the compiled generator against one server.

The figure has the processor time of both.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from bench import cpu
from bench.results import Figure

HERE = Path(__file__).resolve().parent
_LONGEST_S = 240


class CannotMeasure(RuntimeError):
    """The generator could not be built, or its run ended early.

    The message has its output.
    """


@dataclass
class Client:
    """The clients of a server: steps until a socket is ready, form of a message.

    `requests` are lines "PATH<tab>HEADER…", used in turn; `steps` are ("expect" | "send", text). {room}, {text} and {key} are
    replaced. `greeting` are the steps that end a measured handshake: the server's first frames, before any join.
    """

    requests: Sequence[str]
    steps: Sequence[tuple[str, str]]
    message: str
    room: str = "bench-%d"
    greeting: Sequence[tuple[str, str]] = ()


@dataclass
class Target:
    """A running server: its address, its clients, and its processes by name."""

    name: str
    port: int
    client: Client
    pids: Callable[[], Mapping[str, Sequence[int]]]
    tls: bool = False
    hooks: dict[str, Any] = field(default_factory=dict)

    def server_pids(self) -> list[int]:
        """Return the pids of the server itself, without Redis and Postgres."""
        return [pid for name, pids in self.pids().items() if name in {"server", "nginx"} for pid in pids]


@cache
def generator() -> Path:
    """Compile the generator once per run and return its path.

    Raises CannotMeasure with the compiler's output.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise CannotMeasure("the load generator needs a C compiler (package gcc)")
    program = HERE.parent / "artifacts" / "bench" / "generator"
    program.parent.mkdir(parents=True, exist_ok=True)
    command = [compiler, "-O2", "-o", str(program), str(HERE / "generator" / "generator.c")]
    done = subprocess.run([*command, "-DBENCH_TLS", "-lssl", "-lcrypto"], capture_output=True, text=True, check=False)
    if done.returncode != 0:  # without OpenSSL's headers: build it without TLS
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CannotMeasure(f"the load generator does not compile\n{done.stderr}")
    return program


def run(target: Target, *, ready: Callable[[], None] | None = None, **options: Any) -> Figure:
    """Run the generator against `target` and return its counts.

    `ready` is called once all clients are connected. Options are the generator's own (generator.c). Raises CannotMeasure if it
    ends early.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".requests") as requests, cpu.on_core(cpu.LOAD_CORE):
        requests.write("\n".join(target.client.requests) + "\n")
        requests.flush()
        command = [str(generator()), *_arguments(target, requests.name, options)]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        watchdog = threading.Timer(_LONGEST_S, child.kill)
        watchdog.start()
        try:
            return _follow(child, target, options, ready)
        finally:
            watchdog.cancel()
            child.kill()
            child.wait(10)


def idle_figure(system: str, *, arrivals_per_s: float, failed: int) -> Figure:
    """Return a figure of connections that were only held.

    They were opened without the generator.
    """
    latency = dict.fromkeys(("p50", "p90", "p99", "p999", "max"), 0.0)
    counts = ("deliveries", "messages", "handshakes", "lost", "refused", "doubled", "wrong_connections", "sent")
    found: dict[str, Any] = dict.fromkeys(counts, 0)
    found |= {"system": system, "options": {"mode": "idle"}, "seconds": 1.0, "failed": failed, "closed_early": 0}
    found |= {"latency_ms": latency, "completion_ms": latency, "cpu": {"generator": 0.0}, "load_core": 0.0, "server_core": 0.0}
    found |= {"overloaded": False, "load_average": round(os.getloadavg()[0], 2), "ready": arrivals_per_s, "arrival_s": 1.0}
    return Figure.of(found)


def _arguments(target: Target, requests: str, options: Mapping[str, Any]) -> list[str]:
    named = {"port": target.port, "tls": int(target.tls), "requests": requests, "room": target.client.room}
    named |= {"message": target.client.message} | {name: value for name, value in options.items() if name != "steps"}
    arguments = [str(part) for pair in named.items() for part in pair]
    for kind, text in options.get("steps", target.client.steps):
        arguments += [kind, text]
    return arguments


def _follow(child: subprocess.Popen[str], target: Target, options: Mapping[str, Any], ready: Callable[[], None] | None) -> Figure:
    assert child.stdin is not None
    assert child.stdout is not None
    before: dict[str, float] = {}
    busy = dict.fromkeys((cpu.SERVER_CORE, cpu.LOAD_CORE), 0.0)
    found: dict[str, Any] = {"system": target.name, "options": {k: v for k, v in options.items() if k != "steps"}}
    for line in child.stdout:
        said = json.loads(line)
        phase = said.pop("phase")
        if phase == "ready":
            if ready:
                ready()
            child.stdin.write("\n")
            child.stdin.flush()
        elif phase == "measure":
            before, busy = _processes(target), {core: cpu.core_seconds(core) for core in busy}
        elif phase == "measured":
            after = _processes(target)
            length = said["seconds"]
            found["cpu"] = {name: (after[name] - before.get(name, 0.0)) / length for name in after}
            found["cpu"]["generator"] = said["cpu_seconds"] / length
            found["server_core"] = (cpu.core_seconds(cpu.SERVER_CORE) - busy[cpu.SERVER_CORE]) / length
            found["load_core"] = (cpu.core_seconds(cpu.LOAD_CORE) - busy[cpu.LOAD_CORE]) / length
        found |= said
        if phase == "done":
            found["load_average"] = round(os.getloadavg()[0], 2)
            return Figure.of(found)
    raise CannotMeasure(f"the generator ended early, with code {child.wait(10)}, against {target.name}")


def _processes(target: Target) -> dict[str, float]:
    return {name: cpu.seconds(pids) for name, pids in target.pids().items()}
