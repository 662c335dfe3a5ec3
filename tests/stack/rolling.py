"""Runs scripts/roll on the stack of these tests, and inspects it before and after."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping
from typing import Any

from tests.stack.stack import Answer, Stack


def docker(*arguments: str, text: str = "") -> str:
    """Run docker and return its output; raises when it fails."""
    answer = subprocess.run(["docker", *arguments], input=text, check=True, capture_output=True, text=True, timeout=120)
    return answer.stdout


async def roll(stack: Stack, *arguments: str, env: Mapping[str, str] | None = None) -> Answer:
    return await asyncio.to_thread(stack.script, "roll", *arguments, env=stack.env | dict(env or {}))


def identities(stack: Stack, service: str) -> list[tuple[str, str]]:
    """Return id and start of each container, which change on replacement and restart."""
    return [(one["Id"], one["State"]["StartedAt"]) for one in stack.containers(service)]


def interrupted(stack: Stack, at: str, how: signal.Signals = signal.SIGTERM, env: Mapping[str, str] | None = None) -> Answer:
    """Roll until the output contains `at`, then signal the process group."""
    command = [str(stack.directory / "scripts" / "roll")]
    options: dict[str, Any] = {"env": stack.env | dict(env or {}), "stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True, **options) as process:
        assert process.stderr
        said = ""
        for line in process.stderr:
            said += line
            if at in line:
                os.killpg(process.pid, how)
                said += process.stderr.read()
                return subprocess.CompletedProcess(command, process.wait(120), "", said)
        raise AssertionError(f"it ended with {process.wait(10)} and never said {at!r}:\n{said}")
