"""What scripts/roll decides and how it hears signals, without Docker.

tests/stack has the whole of it.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.roll_stack.plan import Container, Memory, Version, make_plan, reason_to_give_up, split
from tests.support.server import ROOT

pytestmark = pytest.mark.once

WANTED = Version("sha256:new", "digest-2")
BEFORE = Version("sha256:old", "digest-1")
OWN = ("DATABASE_URL=postgres://hubbub:a@postgres:5432/hubbub", "REDIS_URL=redis://:b@redis:6379/0")


def report(**changes: Any) -> dict[str, Any]:
    """Return docker inspect's report of a healthy web container.

    `changes` go to its State.
    """
    return {
        "Id": "a1",
        "Name": "/hubbub-web-1",
        "Created": "2026-11-30T10:00:00.1Z",
        "Image": "sha256:new",
        "RestartCount": 0,
        "State": {"Status": "running", "Running": True, "Restarting": False, "ExitCode": 0, "Health": {"Status": "healthy"}}
        | changes,
        "Config": {
            "Env": list(OWN),
            "StopTimeout": 35,
            "Labels": {"com.docker.compose.service": "web", "com.docker.compose.config-hash": "digest-2"},
        },
        "NetworkSettings": {"Networks": {"hubbub_edge": {"IPAddress": "172.20.0.3"}}},
    }


def container(name: str, version: Version = WANTED, **changes: Any) -> Container:
    found = report(**changes) | {"Id": name, "Image": version.image}
    found["Config"]["Labels"]["com.docker.compose.config-hash"] = version.config_hash
    return Container.from_inspect(found)


# --- what Docker reports


def test_report_of_docker_is_read() -> None:
    one = Container.from_inspect(report())
    assert (one.name, one.service, one.version) == ("hubbub-web-1", "web", WANTED)
    assert (one.runs, one.health, one.stop_s) == (True, "healthy", 35)
    assert one.networks == {"hubbub_edge": "172.20.0.3"}
    assert not one.is_one_off


@pytest.mark.parametrize(
    ("state", "health"),
    [
        ({"Running": False, "Status": "exited"}, "ended"),
        # Docker is about to start it anew.
        ({"Restarting": True, "Status": "restarting"}, "ended"),
        ({"Health": {"Status": "starting"}}, "starting"),
        ({"Health": None}, "none"),
    ],
)
def test_health_is_that_of_a_running_container(state: dict[str, Any], health: str) -> None:
    assert Container.from_inspect(report(**state)).health == health


@pytest.mark.parametrize(
    ("environment", "own"),
    [
        (OWN, True),
        ((OWN[0].replace("@postgres", "@outside"), OWN[1]), False),
        ((OWN[0], "REDIS_URL=redis://10.0.0.7:6379/0"), False),
        ((OWN[0],), True),
        # Both are secrets of compose.yaml.
        ((), True),
        (("DATABASE_URL_FILE=/run/secrets/managed",), False),
    ],
)
def test_external_services_are_recognised(environment: tuple[str, ...], own: bool) -> None:
    found = report()
    found["Config"]["Env"] = list(environment)
    assert Container.from_inspect(found).has_own_services() is own


# --- which are replaced


def test_other_versions_are_replaced() -> None:
    web = [container("a", BEFORE), container("b", Version(WANTED.image, "digest-1")), container("c")]
    plan = make_plan(web, WANTED, None, force=False)
    assert (plan.old, plan.new, plan.serving) == (("a", "b"), ("c",), ("c",))
    assert (plan.count, plan.missing, plan.finishes) == (3, 2, False)


def test_current_containers_are_left_alone() -> None:
    plan = make_plan([container("a"), container("b")], WANTED, None, force=False)
    assert (plan.old, plan.new, plan.missing) == ((), ("a", "b"), 0)


def test_force_replaces_current_containers() -> None:
    plan = make_plan([container("a"), container("b")], WANTED, None, force=True)
    assert (plan.old, plan.new, plan.missing, plan.serving) == (("a", "b"), (), 2, ())


@pytest.mark.parametrize("force", [False, True])
def test_memory_decides_after_an_interruption(force: bool) -> None:
    # All are of the wanted version: a forced roll was interrupted.
    memory = Memory(2, ("a", "gone"), ("c",))
    plan = make_plan([container("a"), container("c"), container("d")], WANTED, memory, force=force)
    assert plan.finishes
    assert (plan.count, plan.old, plan.new, plan.serving) == (2, ("a",), ("c", "d"), ("c",))
    assert plan.missing == 0


def test_third_version_replaces_both_after_an_interruption() -> None:
    web = [container("a", BEFORE), container("b", Version("sha256:between", "digest-2"))]
    plan = make_plan(web, WANTED, Memory(1, ("a",), ("b",)), force=False)
    assert (plan.old, plan.new, plan.missing, plan.serving) == (("a", "b"), (), 1, ("b",))


def test_memory_of_a_finished_roll_is_ignored() -> None:
    plan = make_plan([container("a", BEFORE)], WANTED, Memory(3, ("gone",), ()), force=False)
    assert (plan.count, plan.old, plan.finishes) == (1, ("a",), False)


def test_memory_is_read_as_it_was_written() -> None:
    memory = Memory(2, ("a1", "b2"), ("c3",))
    assert memory.text() == "count 2\nold a1\nold b2\nserving c3\n"
    assert Memory.parse(memory.text()) == memory


@pytest.mark.parametrize(
    "text", ["", "count 2\ncount 3\n", "count two\n", "count 0\n", "count 2\nold ../x\n", "count 2\nnew a1\n"]
)
def test_foreign_memory_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"the line|no number"):
        Memory.parse(text)


def test_oldest_of_the_wanted_version_stays() -> None:
    first, second, third = container("a", BEFORE), container("b"), container("c")
    assert split([first, second, third], WANTED) == (second, [first, third])
    assert split([first], WANTED) == (None, [first])


# --- whether a new one works


@pytest.mark.parametrize(
    ("state", "restarts", "new", "serving"),
    [
        ({"Health": {"Status": "starting"}}, 0, None, None),
        # It was healthy, and is asked itself.
        ({}, 0, None, None),
        ({"Running": False}, 0, "a new container ended", "a new container ended"),
        ({"Health": {"Status": "starting"}}, 2, "a new container ended", None),
        ({"Health": {"Status": "unhealthy"}}, 0, "a new container is unhealthy", None),
    ],
)
def test_serving_container_may_recover(state: dict[str, Any], restarts: int, new: str | None, serving: str | None) -> None:
    one = Container.from_inspect(report(**state) | {"RestartCount": restarts})
    assert reason_to_give_up(one, ()) == new
    assert reason_to_give_up(one, (one.id,)) == serving


def test_removed_container_has_ended() -> None:
    assert reason_to_give_up(None, ()) == "a new container ended"


# --- signals

WORK = """
import sys
from pathlib import Path
from time import sleep
sys.path.insert(0, "scripts")
from roll_stack.engine import say
from roll_stack.signals import Signals

def work():
    say("begun")
    sleep(1)
    Path(sys.argv[1]).touch()
    return True

print(Signals().to_the_end(work))
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_replacement_of_nginx_outlives_its_roll(tmp_path: Path, how: signal.Signals) -> None:
    done = tmp_path / "done"
    command = [sys.executable, "-c", WORK, str(done)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True, **pipes) as process:
        assert process.stderr
        assert process.stderr.readline() == "begun\n"
        os.killpg(process.pid, how)
        output, said = process.communicate(timeout=30)  # to the end of the work, which has the pipes, too
    assert done.exists()
    if how == signal.SIGKILL:
        assert (process.returncode, output, said) == (-how, "", "")
    else:
        assert (process.returncode, output, said) == (0, "(True, True)\n", "Not now: nginx is being replaced.\n")


# --- the entry point


def test_missing_python_is_named(tmp_path: Path) -> None:
    for program in ("bash", "env", "dirname", "basename"):
        (tmp_path / program).symlink_to(
            next(Path(folder, program) for folder in ("/bin", "/usr/bin") if Path(folder, program).exists())
        )
    (tmp_path / "python3").write_text("#!/bin/sh\nexit 1\n")  # too old
    (tmp_path / "python3").chmod(0o755)
    done = subprocess.run(
        [ROOT / "scripts" / "roll"], env={"PATH": str(tmp_path)}, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    assert done.stderr == ("roll: needs Python 3.9 or newer on this machine: on Debian and Ubuntu, apt-get install python3\n")
