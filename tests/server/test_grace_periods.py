"""Every grace period follows from DRAIN_SECONDS and covers its wait."""

import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.variables import VARIABLES
from server import grace
from tests.support.server import ROOT, base_environment

pytestmark = pytest.mark.once

WHAT = ("compose.yaml", "scripts", "nginx", "app", "k8s/base")
DEFAULT = int(next(variable.default or "" for variable in VARIABLES if variable.name == "DRAIN_SECONDS"))


@dataclass
class Graces:
    """The times of each part for DRAIN_SECONDS = `drain`, in seconds."""

    drain: int
    spread: float
    finish: float
    worker: float
    gunicorn_graceful: int
    gunicorn_timeout: int
    notify_every: float
    compose: dict[str, int]
    nginx: int
    command: int


def read(root: Path, drain: int) -> Graces:
    """Read the times from the files below `root`."""
    printed = run(root, ["scripts/run_gunicorn.sh", "--print"], drain)
    options = shlex.split(printed[printed.index("command:") :])
    run(root, ["nginx/render", root / "rendered"], drain)
    shares = run(root, ["python", "-c", _ASK_THE_APP], drain).split()
    services = yaml.safe_load((root / "compose.yaml").read_text())["services"]
    return Graces(
        drain=drain,
        spread=float(shares[0]),
        finish=float(shares[1]),
        worker=float(shares[2]),
        command=int(shares[3]),
        notify_every=float(shares[4]),
        gunicorn_graceful=int(options[options.index("--graceful-timeout") + 1]),
        gunicorn_timeout=int(options[options.index("--timeout") + 1]),
        compose={
            name: seconds(one["stop_grace_period"], drain) for name, one in services.items() if name in ("web", "worker", "nginx")
        },
        nginx=int(re.findall(r"worker_shutdown_timeout (\d+)s;", (root / "rendered" / "nginx.conf").read_text())[0]),
    )


_ASK_THE_APP = """
from server import draining_server, grace, worker
print(grace.close_spread_s() + grace.keepalive_linger_s(), worker.HubbubWorker.CONFIG_KWARGS["timeout_graceful_shutdown"],
      grace.drain_deadline_s(), grace.kill_after_s(), draining_server.NOTIFY_EVERY_S)
"""


def run(root: Path, command: list[Any], drain: int) -> str:
    env = base_environment() | {"DRAIN_SECONDS": str(drain), "DATA_DIR": str(root / "var"), "RESOLVER": "127.0.0.1"}
    env |= {"UPSTREAM": "127.0.0.1:8000", "PYTHONPATH": str(root / "app"), "DJANGO_SETTINGS_MODULE": "config.settings"}
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def seconds(duration: str, drain: int) -> int:
    """Add the parts of compose's durations, such as 25s and 10000ms."""
    text = duration.replace("${DRAIN_SECONDS:-25}", str(drain))
    parts = re.findall(r"(\d+)(ms|s|m)", text)
    assert "".join(number + unit for number, unit in parts) == text, f"not understood: {duration}"
    return sum(int(number) * {"ms": 1, "s": 1000, "m": 60_000}[unit] for number, unit in parts) // 1000


def violations(found: Graces) -> list[str]:
    """Return each violation as a sentence."""
    rules = {
        "sockets and requests together take longer than DRAIN_SECONDS": found.spread + found.finish <= found.drain,
        "nothing is left to commit in": found.spread + found.finish < found.worker,
        "a worker is given longer than DRAIN_SECONDS": found.spread < found.worker <= found.drain,
        "Gunicorn kills a worker that still drains": found.gunicorn_graceful == found.drain,
        "Gunicorn takes a draining worker for a stuck one": 2 * found.notify_every <= found.gunicorn_timeout,
        "nginx closes sockets sooner or later than a server does": found.nginx == found.drain,
        "`manage.py drain` gives up while Gunicorn still waits": found.command >= found.drain + 10,
    }
    rules |= {
        f"Docker kills {name} before it has ended": grace_s >= max(found.gunicorn_graceful, found.nginx) + 10
        for name, grace_s in found.compose.items()
    }
    return [text for text, held in rules.items() if not held]


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the files with the times, for changes."""
    root = tmp_path_factory.mktemp("graces")
    for name in WHAT:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, root / name)
    return root


@pytest.mark.parametrize("drain", [1, 5, DEFAULT, 60, 3600])
def test_all_grace_periods_follow_from_one_setting(copied: Path, drain: int) -> None:
    assert violations(read(copied, drain)) == []


@pytest.mark.parametrize(
    ("file", "change", "why"),
    [
        (
            "app/server/start.py",
            ('"--graceful-timeout", str(settings.drain_s)', '"--graceful-timeout", "20"'),
            "Gunicorn kills a worker",
        ),
        ("app/server/start.py", ('"--timeout", "30"', '"--timeout", "8"'), "takes a draining worker for a stuck one"),
        ("nginx/templates/nginx.conf.template", ("${DRAIN_SECONDS}s", "10s"), "nginx closes sockets sooner or later"),
        ("compose.yaml", ("${DRAIN_SECONDS:-25}s10000ms", "30s"), "Docker kills web before"),
        ("compose.yaml", ("${DRAIN_SECONDS:-25}s10000ms", "${DRAIN_SECONDS:-25}s"), "Docker kills nginx before"),
        ("app/server/grace.py", ("SPREAD_SHARE = 0.6", "SPREAD_SHARE = 0.8"), "sockets and requests together"),
        ("app/server/grace.py", ("FINISH_SHARE) - keepalive_linger_s()", "FINISH_SHARE) + 2"), "nothing is left to commit in"),
        ("app/server/worker.py", ("grace.http_finish_s()", "30"), "sockets and requests together"),
        ("app/server/grace.py", ("MARGIN_S = 10", "MARGIN_S = 5"), "gives up while Gunicorn still waits"),
        ("app/server/grace.py", ("settings.DRAIN_SECONDS - min", "settings.DRAIN_SECONDS + min"), "a worker is given longer"),
        (
            "app/server/draining_server.py",
            ("NOTIFY_EVERY_S = 5.0", "NOTIFY_EVERY_S = 25.0"),
            "takes a draining worker for a stuck one",
        ),
    ],
)
def test_planted_violation_of_a_grace_period_is_found(copied: Path, file: str, change: tuple[str, str], why: str) -> None:
    path = copied / file
    text = path.read_text()
    assert text.count(change[0]) >= 1, f"{change[0]} is not in {file}"
    try:
        path.write_text(text.replace(*change))
        assert [one for one in violations(read(copied, DEFAULT)) if why in one]
    finally:
        path.write_text(text)


def test_kubernetes_has_the_same_grace_periods(copied: Path) -> None:
    """k8s/checks compares preStop, drain and margin; the margin is compared here."""
    settings = dict(re.findall(r"^([A-Z_]+)=(.*)$", (copied / "k8s/base/hubbub.env").read_text(), re.MULTILINE))
    assert int(settings["DRAIN_SECONDS"]) == DEFAULT
    for name in ("web", "worker", "nginx"):
        (deployment,) = [
            one for one in yaml.safe_load_all((copied / f"k8s/base/{name}.yaml").read_text()) if one["kind"] == "Deployment"
        ]
        pod = deployment["spec"]["template"]["spec"]
        waits = pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        assert pod["terminationGracePeriodSeconds"] >= waits + DEFAULT + grace.MARGIN_S
        # A sleep longer than the drain delays the end; no sleep refuses late requests.
        assert (name == "worker") == (waits == 0)
