"""scripts/run_gunicorn.sh: number of workers, deciding rule, refusals."""

import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "run_gunicorn.sh"
MIB = 2**20
PLENTY = 64 * 1024  # MiB
CORES = len(os.sched_getaffinity(0))


@dataclass
class Machine:
    """A made-up machine: cgroup and proc trees under a temporary directory."""

    root: Path
    prefix: tuple[str, ...] = ()  # a command that runs the script: taskset

    def __post_init__(self) -> None:
        (self.proc / "self").mkdir(parents=True)
        self.cgroup.mkdir()
        self.memory(PLENTY)

    @property
    def proc(self) -> Path:
        return self.root / "proc"

    @property
    def cgroup(self) -> Path:
        return self.root / "cgroup"

    def memory(self, mib: int) -> None:
        """Set the total memory of the machine."""
        (self.proc / "meminfo").write_text(f"MemTotal:       {mib * 1024} kB\nMemFree:  1 kB\n")

    def in_groups(self, *lines: str) -> None:
        """Put our process into these groups of /proc/self/cgroup."""
        (self.proc / "self" / "cgroup").write_text("".join(f"{line}\n" for line in lines))

    def group(self, path: str, **files: str) -> None:
        """Make a group with these files.

        Two underscores in a keyword are a dot in its file name.
        """
        directory = self.cgroup / path
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (directory / name.replace("__", ".")).write_text(f"{content}\n")

    def run(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run the script on this machine, by default with many cores."""
        made_up = {
            "CGROUP_ROOT": str(self.cgroup),
            "PROC_ROOT": str(self.proc),
            "PATH": f"{self.root}:{os.environ['PATH']}",
        }
        return subprocess.run(
            [*self.prefix, SCRIPT, *arguments],
            env={**made_up, **env},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )

    def cores(self, number: int) -> None:
        """Set the output of `nproc`; the tests with taskset use the real one."""
        nproc = self.root / "nproc"
        nproc.write_text(f"#!/bin/sh\necho {number}\n")
        nproc.chmod(0o755)

    def facts(self, **env: str) -> dict[str, str]:
        """Return the facts of --print; Redis is set unless REDIS_URL is given."""
        done = self.run("--print", **{"REDIS_URL": "redis://localhost", **env})
        assert done.returncode == 0, done.stderr
        return dict(line.split(": ", 1) for line in done.stdout.splitlines())

    def workers(self, **env: str) -> tuple[int, str]:
        """Return the number of workers and the rule that decided it."""
        facts = self.facts(**env)
        return int(facts["workers"]), facts["decided by"]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with 8 cores, plenty of memory and no cgroups."""
    machine = Machine(tmp_path)
    machine.cores(8)
    return machine


def test_script_is_an_entry_point_and_computes_nothing() -> None:
    assert len(SCRIPT.read_text().splitlines()) < 40, "app/server/sizing.py computes, with types and tests"


def test_one_worker_for_each_core_without_cgroups(machine: Machine) -> None:
    assert machine.workers() == (8, "cores by affinity")


@pytest.mark.parametrize(
    ("cpu_max", "workers"),
    [("200000 100000", 2), ("250000 100000", 2), ("50000 100000", 1), ("1000 100000", 1), ("300000 50000", 6)],
)
def test_a_v2_quota_is_rounded_down_to_at_least_one(machine: Machine, cpu_max: str, workers: int) -> None:
    machine.in_groups("0::/app")
    machine.group("app", cpu__max=cpu_max)
    assert machine.workers() == (workers, "CPU quota, rounded down")


def test_a_v2_group_without_a_limit_does_not_decide(machine: Machine) -> None:
    machine.in_groups("0::/app")
    machine.group("app", cpu__max="max 100000")
    assert machine.facts()["CPU quota"] == "none"
    assert machine.workers() == (8, "cores by affinity")


@pytest.mark.parametrize("tight", ["outer", "outer/middle", "outer/middle/inner", ""])
def test_tightest_quota_of_nested_v2_groups_decides(machine: Machine, tight: str) -> None:
    machine.in_groups("0::/outer/middle/inner")
    for path in ("outer", "outer/middle", "outer/middle/inner"):
        machine.group(path, cpu__max="700000 100000")
    machine.group(tight, cpu__max="300000 100000")
    assert machine.workers() == (3, "CPU quota, rounded down")


def test_groups_beside_our_own_do_not_count(machine: Machine) -> None:
    machine.in_groups("0::/ours")
    machine.group("ours", cpu__max="400000 100000")
    machine.group("theirs", cpu__max="100000 100000")
    assert machine.workers() == (4, "CPU quota, rounded down")


@pytest.mark.parametrize("path", ["/docker/0123", "/../../elsewhere", "/"])
def test_group_seen_as_the_root_in_a_container_is_found(machine: Machine, path: str) -> None:
    machine.in_groups(f"0::{path}")
    machine.group("", cpu__max="200000 100000")
    assert machine.workers() == (2, "CPU quota, rounded down")


@pytest.mark.parametrize("quota", ["250000", "200000"])
def test_a_v1_quota_is_read_from_its_own_hierarchy(machine: Machine, quota: str) -> None:
    machine.in_groups("4:memory:/app", "3:cpu,cpuacct:/app", "1:name=systemd:/app", "0::/")
    machine.group("cpu/app", cpu__cfs_quota_us=quota, cpu__cfs_period_us="100000")
    assert machine.workers() == (2, "CPU quota, rounded down")


def test_tightest_quota_of_nested_v1_groups_decides(machine: Machine) -> None:
    machine.in_groups("3:cpu:/outer/inner")
    machine.group("cpu/outer/inner", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    machine.group("cpu/outer", cpu__cfs_quota_us="300000", cpu__cfs_period_us="100000")
    assert machine.workers() == (3, "CPU quota, rounded down")


def test_v1_without_a_quota_does_not_decide(machine: Machine) -> None:
    machine.in_groups("3:cpu:/app")
    machine.group("cpu/app", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    assert machine.workers() == (8, "cores by affinity")


def test_a_quota_above_the_affinity_does_not_decide(machine: Machine) -> None:
    machine.cores(2)
    machine.in_groups("0::/")
    machine.group("", cpu__max="400000 100000")
    assert machine.workers() == (2, "cores by affinity")


def test_the_quota_is_shown_with_its_fraction(machine: Machine) -> None:
    machine.in_groups("0::/")
    machine.group("", cpu__max="250000 100000")
    assert machine.facts()["CPU quota"] == "2.500 cores"


@pytest.mark.parametrize(
    "env", [{}, {"OMP_NUM_THREADS": "7"}], ids=["plain", "OpenMP's variables, which nproc would follow, do not count"]
)
def test_taskset_is_followed(tmp_path: Path, env: dict[str, str]) -> None:
    core = min(os.sched_getaffinity(0))
    assert Machine(tmp_path, ("taskset", "--cpu-list", str(core))).facts(**env)["cores by affinity"] == "1"


def test_all_cores_of_this_machine_are_found(tmp_path: Path) -> None:
    assert Machine(tmp_path).facts()["cores by affinity"] == str(CORES)


def test_a_v2_memory_limit_bounds_the_number(machine: Machine) -> None:
    machine.in_groups("0::/outer/inner")
    machine.group("outer/inner", memory__max="max")
    machine.group("outer", memory__max=str(700 * MIB))
    assert machine.workers() == (2, "memory / WORKER_MEMORY_MB")


def test_a_v1_memory_limit_bounds_the_number(machine: Machine) -> None:
    machine.in_groups("5:memory:/app")
    machine.group("memory", memory__limit_in_bytes="9223372036854771712")  # v1's value for no limit
    machine.group("memory/app", memory__limit_in_bytes=str(1024 * MIB))
    assert machine.workers(WORKER_MEMORY_MB="300") == (3, "memory / WORKER_MEMORY_MB")


def test_the_machines_own_memory_bounds_the_number(machine: Machine) -> None:
    machine.memory(512)
    assert machine.workers() == (2, "memory / WORKER_MEMORY_MB")


def test_too_little_memory_still_means_one_worker(machine: Machine) -> None:
    machine.memory(100)
    assert machine.workers() == (1, "memory / WORKER_MEMORY_MB")


@pytest.mark.parametrize(
    ("memory", "cores", "ceiling"),
    [
        (1024, 1, "768 MiB"),  # the stack's web container
        (1024, 2, "384 MiB"),  # Kubernetes' web pod
        (PLENTY, 2, "2048 MiB"),
        (384, 1, "128 MiB"),
        (383, 1, "none"),  # less than half a worker of memory remains beside a successor
    ],
)
def test_the_ceiling_of_a_worker_follows_from_the_memory(machine: Machine, memory: int, cores: int, ceiling: str) -> None:
    machine.memory(memory)
    machine.cores(cores)
    assert machine.facts()["memory ceiling of a worker"] == ceiling


def test_workers_at_their_ceiling_and_a_successor_fit_memory(machine: Machine) -> None:
    for memory in (400, 700, 1024, 1500, 4096):
        for workers in (1, 2, 3, 4):
            machine.memory(memory)
            ceiling = machine.facts(WEB_CONCURRENCY=str(workers))["memory ceiling of a worker"]
            if ceiling != "none":
                assert workers * int(ceiling.removesuffix(" MiB")) + 256 <= memory


def test_the_ceiling_can_be_set_and_lifted(machine: Machine) -> None:
    assert machine.facts(WORKER_MEMORY_MAX_MB="300")["memory ceiling of a worker"] == "300 MiB"
    assert machine.facts(WORKER_MEMORY_MAX_MB="0")["memory ceiling of a worker"] == "none"
    refused = machine.run("--print", WORKER_MEMORY_MAX_MB="1G")
    assert refused.returncode == 2
    assert "WORKER_MEMORY_MAX_MB" in refused.stderr


def test_the_maximum_bounds_the_number(machine: Machine) -> None:
    machine.cores(64)
    assert machine.workers() == (16, "WEB_CONCURRENCY_MAX")
    assert machine.workers(WEB_CONCURRENCY_MAX="5") == (5, "WEB_CONCURRENCY_MAX")


def test_web_concurrency_overrides_every_rule(machine: Machine) -> None:
    machine.memory(100)
    assert machine.workers(WEB_CONCURRENCY="20", WEB_CONCURRENCY_MAX="5") == (20, "WEB_CONCURRENCY")


def test_an_empty_web_concurrency_counts_as_unset(machine: Machine) -> None:
    assert machine.workers(WEB_CONCURRENCY="") == (8, "cores by affinity")


def test_without_redis_there_is_one_worker(machine: Machine) -> None:
    assert machine.workers(REDIS_URL="") == (1, "no REDIS_URL: one worker only")
    assert machine.workers(REDIS_URL="", WEB_CONCURRENCY="1") == (1, "WEB_CONCURRENCY")


def test_redis_may_be_named_by_a_file(machine: Machine) -> None:
    assert machine.workers(REDIS_URL="", REDIS_URL_FILE="/run/secrets/redis") == (8, "cores by affinity")


def test_redis_may_be_a_secret_that_compose_mounts(machine: Machine) -> None:
    secrets = machine.root / "secrets"
    secrets.mkdir()
    for mounted, printed in (("redis://redis", "workers: 2\n"), ("", "")):
        (secrets / "REDIS_URL").write_text(mounted)
        done = machine.run("--print", SECRETS_ROOT=str(secrets), WEB_CONCURRENCY="2")
        assert (done.returncode == 0, printed in done.stdout) == (bool(mounted), True), done.stderr
    (secrets / "REDIS_URL").write_text("redis://redis")
    assert machine.workers(REDIS_URL="", SECRETS_ROOT=str(secrets)) == (1, "no REDIS_URL: one worker only")


def test_more_than_one_worker_without_redis_is_refused(machine: Machine) -> None:
    done = machine.run(WEB_CONCURRENCY="2")
    assert done.returncode == 2
    assert "WEB_CONCURRENCY=2 needs REDIS_URL" in done.stderr


@pytest.mark.parametrize("name", ["WEB_CONCURRENCY", "WEB_CONCURRENCY_MAX", "WORKER_MEMORY_MB", "PORT", "DRAIN_SECONDS"])
@pytest.mark.parametrize("value", ["0", "-1", "2.5", "two", "1 2", "99999999999999999999", "08"])
def test_non_positive_integer_is_refused_by_name(machine: Machine, name: str, value: str) -> None:
    done = machine.run("--print", REDIS_URL="redis://localhost", **{name: value})
    assert done.returncode == 2
    assert done.stderr.startswith(f"run_gunicorn: {name} must be a positive integer")
    assert f"'{value}'" in done.stderr
    assert done.stdout == ""


def test_an_unknown_argument_is_refused(machine: Machine) -> None:
    done = machine.run("--prnt")
    assert done.returncode == 2
    assert "unknown argument --prnt" in done.stderr


def test_help_states_the_rounding_and_why(machine: Machine) -> None:
    done = machine.run("--help")
    assert done.returncode == 0
    assert "rounded down, at least 1" in done.stdout
    assert "event loop" in done.stdout


def options(machine: Machine, **env: str) -> dict[str, str]:
    """Return the options of the command from --print; a flag has an empty value."""
    words = shlex.split(machine.facts(**env)["command"])
    found: dict[str, str] = {}
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word.startswith("--"):
            found[word] = "" if following.startswith("--") else following
    return found


def test_the_command_carries_the_settings(machine: Machine) -> None:
    found = options(machine, HOST="0.0.0.0", PORT="8123", DRAIN_SECONDS="7", TRUSTED_PROXIES="10.0.0.0/8,::1", LOG_LEVEL="debug")
    assert found["--bind"] == "0.0.0.0:8123"
    assert found["--graceful-timeout"] == "7"
    assert found["--forwarded-allow-ips"] == "10.0.0.0/8,::1"
    assert found["--log-level"] == "debug"
    assert found["--workers"] == "8"
    assert found["--worker-class"] == "server.worker.HubbubWorker"
    assert found["--max-requests"] == "0"
    assert "--no-control-socket" in found
    assert "--access-logfile" not in found


def test_defaults_listen_on_loopback_and_trust_only_it(machine: Machine) -> None:
    found = options(machine)
    assert found["--bind"] == "127.0.0.1:8000"
    assert found["--forwarded-allow-ips"] == "127.0.0.1"


def test_trusted_proxies_may_be_empty(machine: Machine) -> None:
    assert options(machine, TRUSTED_PROXIES="")["--forwarded-allow-ips"] == ""


def test_networks_of_trusted_proxies_mean_what_nginx_reads(machine: Machine) -> None:
    """uvicorn takes a network with bits behind its prefix for the name of a host."""
    found = options(machine, TRUSTED_PROXIES=" 10.0.0.1/8 , 2001:DB8::1/32, ::ffff:192.0.2.7,")
    assert found["--forwarded-allow-ips"] == "10.0.0.0/8,2001:db8::/32,192.0.2.7"


@pytest.mark.parametrize("wrong", ["10.0.0.0/33", "10.0.0", "proxy.example", "*"])
def test_trusted_proxy_that_is_no_address_is_refused_by_name(machine: Machine, wrong: str) -> None:
    done = machine.run("--print", TRUSTED_PROXIES=f"127.0.0.1,{wrong}")
    assert done.returncode == 2
    assert f"TRUSTED_PROXIES holds '{wrong}': use addresses and networks such as 10.0.0.0/8" in done.stderr


def test_an_ipv6_address_is_put_into_brackets(machine: Machine) -> None:
    assert options(machine, HOST="::1")["--bind"] == "[::1]:8000"


def test_heartbeats_use_shared_memory_if_available(machine: Machine, tmp_path: Path) -> None:
    assert options(machine, SHM_ROOT=str(tmp_path))["--worker-tmp-dir"] == str(tmp_path)
    assert "--worker-tmp-dir" not in options(machine, SHM_ROOT=str(tmp_path / "missing"))


def test_gunicorn_knows_every_option_we_pass(machine: Machine) -> None:
    command = shlex.split(machine.facts()["command"])
    known = subprocess.run([*command[:3], "--help"], capture_output=True, text=True, timeout=60, check=True).stdout
    assert [option for option in command if option.startswith("--") and f"{option} " not in known.replace("\n", " ")] == []


def test_metrics_directory_that_cannot_be_written_to_is_named(machine: Machine) -> None:
    for place in ("/proc", "/proc/metrics", "/dev/null"):
        done = machine.run(PROMETHEUS_MULTIPROC_DIR=place)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
        assert f"PROMETHEUS_MULTIPROC_DIR is {place}, which cannot be written to" in done.stderr


def test_print_option_creates_no_files(machine: Machine, tmp_path: Path) -> None:
    shared = tmp_path / "shm"
    shared.mkdir()
    assert machine.facts(SHM_ROOT=str(shared))["metrics directory"] == f"a fresh one in {shared}"
    assert list(shared.iterdir()) == []
