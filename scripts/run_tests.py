"""Run all tests, in blocks.

`scripts/test [BLOCK...]` sets up their programs first.

Two blocks run beside one another, and what is held to figures runs alone, at the end.
Failed tests run again, alone, as CPython's do: the machine may have been too busy for them. A test that fails again has
failed; a test that passes then is named at the end, and is a defect, too: of the product or of the test. What runs alone in the
first place (loads, chaos) gets no second run: a message lost once is lost.

Logs and JUnit files are left in artifacts/. With CI=true a block that cannot run has failed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import NoReturn
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parents[1]
ARTIFACTS = ROOT / "artifacts"
# Processes of a block.
CORES = os.cpu_count() or 1
# Blocks beside one another. With three the cores are never idle, and all take longer than with two.
BESIDE = 2
MOST_AGAIN = 5  # failed tests of one block: more are no accident

# Program: Debian's packages of it, and what cannot run without it.
PROGRAMS = {
    "initdb": ("postgresql", "the postgres block"),
    "redis-server": ("redis-server", "the postgres block"),
    "pgbouncer": ("pgbouncer", "the postgres block"),
    "nginx": ("nginx-light", "tests/nginx"),
    "envsubst": ("gettext-base", "tests/nginx"),
    "pebble": ("pebble", "tests/nginx/test_acme.py and tests/stack/test_acme.py"),
    "gpg": ("gnupg", "tests/ops/test_backup_scripts.py"),
    "xgettext": ("gettext", "tests/scripts/test_messages.py"),
    "age": ("age", "tests/ops/test_backup_scripts.py"),
    "systemd-analyze": ("systemd", "tests/scripts/test_systemd.py"),
    "prometheus": ("prometheus", "tests/monitoring"),
    "prometheus-alertmanager": ("prometheus-alertmanager", "tests/monitoring and tests/stack/test_alertmanager.py"),
    "chromium": (
        "chromium fonts-liberation fonts-noto-color-emoji fonts-wqy-microhei",
        "the browser block",
    ),
    "chromium-headless-shell": ("chromium-headless-shell", "the browser block and tests/stack/test_upgrade.py"),
    "docker": ("", "the blocks stack and load"),
}
# What is left out of the blocks embedded and stack without a program.
IGNORED = {
    "chromium-headless-shell": ("tests/stack/test_upgrade.py",),
    "nginx": ("tests/nginx", "tests/monitoring/test_alerts.py"),
    "envsubst": ("tests/nginx", "tests/monitoring/test_alerts.py"),
    "pebble": ("tests/nginx/test_acme.py", "tests/stack/test_acme.py"),
    "prometheus": ("tests/monitoring",),
    "prometheus-alertmanager": ("tests/monitoring", "tests/stack/test_alertmanager.py"),
    "gpg": ("tests/ops/test_backup_scripts.py",),
    "xgettext": ("tests/scripts/test_messages.py",),
    "age": ("tests/ops/test_backup_scripts.py",),
}
LOADED = ("tests/chaos", "tests/stack/test_load.py", "tests/stack/test_load_containers.py", "tests/stack/test_restarts.py")


# --- the blocks ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Block:
    """Tests that run as one command.

    `arguments` go to pytest, in so many processes (0: in pytest's own).
    """

    name: str
    needs: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    processes: int = 0
    profile: str = "embedded"
    own_network: bool = False

    @property
    def log(self) -> Path:
        return ARTIFACTS / f"{self.name}.log"

    @property
    def cache(self) -> Path:
        """Pytest's, which names what failed."""
        return ARTIFACTS / f"cache-{self.name.removesuffix('-again')}"

    def command(self) -> list[str]:
        if self.name == "frontend":
            made = ["npm", "--prefix", "frontend", "test", "--silent", "--", "--reporter=default", "--reporter=junit"]
            return [*made, f"--outputFile.junit={ARTIFACTS / 'junit-frontend.xml'}"]
        made = [sys.executable, "-m", "pytest", "--quiet", f"--junit-xml={ARTIFACTS / f'junit-{self.name}.xml'}"]
        made += ["-o", f"junit_suite_name={self.name}", "-o", f"cache_dir={self.cache}", *self.arguments]
        if self.name.endswith("-again"):
            return [*made, "--last-failed", "--last-failed-no-failures=none", "--numprocesses=0"]
        if self.processes:
            # Each process has servers and services of its own. Files in the order of tests/conftest.py.
            made += [f"--numprocesses={self.processes}", "--dist=loadfile", "--no-loadscope-reorder"]
        if self.own_network and has_own_networks():
            made = [*OWN_NETWORK, *made]
        return made

    def environment(self) -> dict[str, str]:
        # The processes must agree on the names of the tests, some of which are made from sets: hence one seed for all.
        return os.environ | {"HUBBUB_TEST_PROFILE": self.profile, "PYTHONHASHSEED": "0", "NO_COLOR": "1"}


def marked(mark: str, *folders: str) -> list[str]:
    """Return the files with tests of this mark, the only ones its block has to read."""
    word = re.compile(rf"\bmark\.{mark}\b")
    files = (file for folder in folders for file in sorted((ROOT / folder).rglob("test_*.py")))
    return [str(file.relative_to(ROOT)) for file in files if word.search(file.read_text())]


def existing(*paths: str) -> list[str]:
    return [path for path in paths if (ROOT / path).exists()]


def embedded(missing: list[str]) -> Block:
    arguments = ("-m", "not stack and not browser and not fleet", "tests", *ignored(missing))
    return Block("embedded", arguments=arguments, processes=CORES)


def ignored(missing: list[str]) -> list[str]:
    return sorted({f"--ignore={path}" for program in missing for path in IGNORED.get(program, ())})


def postgres(missing: list[str]) -> Block:
    """Return the block on Postgres and Redis.

    Tests that depend neither on the database nor on the layer run once, in the embedded block.
    """
    here = ("server", "db", "core", "ops", "realtime", "accounts", "rooms", "chat", "features", "config", "monitoring")
    paths = existing(*(f"tests/{folder}" for folder in here))
    arguments = ("-m", "not stack and not browser and not once", *paths, *ignored(missing))
    return Block("postgres", ("initdb", "redis-server", "pgbouncer"), arguments, CORES, "postgres")


def browser() -> Block:
    # Chromium drops its loads when Docker makes or removes a network; in a network of its own it does not notice.
    files = marked("browser", "tests/browser", "tests/features")
    return Block("browser", ("chromium", "chromium-headless-shell"), ("-m", "browser", *files), CORES, own_network=True)


def stack(missing: list[str]) -> Block:
    """In two processes, each with a stack of its own."""
    left_out = (*LOADED, *(path for program in missing for path in IGNORED.get(program, ())))
    files = [file for file in marked("stack", "tests") if not file.startswith(left_out)]
    return Block("stack", ("docker",), ("-m", "stack", *files), 2)


def beside(missing: list[str]) -> list[Block]:
    """Return the blocks that run beside others, the longest first."""
    return [embedded(missing), stack(missing), postgres(missing), browser(), Block("frontend")]


def alone() -> list[Block]:
    return [Block("load", ("docker",), ("-m", "stack", *LOADED))]


# A command in front of another: its own network, with the loopback device, which comes down and is put up, and a pair of
# devices that lead nowhere: with loopback alone Chromium is offline from the start and never notices that it loses its line.
_UP = """\
import fcntl, os, socket, struct, subprocess, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
for change in ("link add nowhere type veth peer name end", "addr add 192.0.2.1/32 dev nowhere", "link set nowhere up"):
    subprocess.run(["ip", *change.split()], check=True, timeout=10)
subprocess.run(["ip", "link", "set", "end", "up"], check=True, timeout=10)
os.execvp(sys.argv[1], sys.argv[1:])
"""
OWN_NETWORK = ("unshare", *(() if os.geteuid() == 0 else ("--user", "--map-root-user")), "--net", sys.executable, "-c", _UP)


def has_own_networks() -> bool:
    """Whether the kernel and our rights allow it."""
    try:
        return subprocess.run([*OWN_NETWORK, "true"], capture_output=True, timeout=30, check=False).returncode == 0
    except OSError:
        return False


# --- needed programs ----------------------------------------------------------------------------------------------


def has(program: str) -> bool:
    if program == "docker" and shutil.which("docker"):
        return subprocess.run(["docker", "info"], capture_output=True, timeout=60, check=False).returncode == 0
    if program == "initdb" and next(Path("/usr/lib/postgresql").glob("*/bin/initdb"), None):
        return True
    return shutil.which(program) is not None


def install_programs() -> list[str]:
    """Install what is missing, where we may; say and return what still is."""
    packages = " ".join(package for program, (package, _) in PROGRAMS.items() if package and not has(program))
    if packages and os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"Installing {packages}")
        # What is missing still is said below.
        subprocess.run(["bash", "-c", f". scripts/lib/common.sh; install_packages {packages}"], cwd=ROOT, check=False)
    missing = [program for program in PROGRAMS if not has(program)]
    for program in missing:
        package, without = PROGRAMS[program]
        found = f"Missing {program} (apt-get install {package})" if package else f"No {program} engine answers"
        say(f"{found}: {without} cannot run")
    return missing


# --- a run --------------------------------------------------------------------------------------------------------


@dataclass
class Run:
    wanted: list[str]
    missing: list[str]
    summaries: list[str] = field(default_factory=list)
    again: list[Block] = field(default_factory=list)
    failed: bool = False
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(BESIDE))

    def all(self) -> None:
        blocks = self._callable(beside(self.missing))
        ends = [self.pool.submit(self._once, block, shown=block is blocks[0]) for block in blocks]
        for block, end in zip(blocks, ends, strict=True):
            end.result()  # raises the block's error: a broken block would pass otherwise
            if block is not blocks[0]:
                print(f"== {block.name}\n{block.log.read_text(errors='replace')}", flush=True)
        for block in list(self.again):
            say(f"Again, alone: what failed of the block {block.name}")
            self._block(Block(f"{block.name}-again", (), block.arguments, profile=block.profile), shown=True)
        for block in self._callable(alone()):
            self._block(block, shown=True)

    def end(self) -> None:
        """Begin nothing more, and end what still runs, each block as one process group."""
        self.pool.shutdown(wait=False, cancel_futures=True)
        for process in list(self.running.values()):
            try:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(60)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue

    def _callable(self, blocks: list[Block]) -> list[Block]:
        """Return the wanted blocks whose programs are there."""
        found = []
        for block in blocks:
            lacking = [need for need in block.needs if need in self.missing]
            if self.wanted and block.name not in self.wanted:
                continue
            if lacking:
                self.summaries.append(f"{block.name}: not run, {lacking[0]} is missing")
            else:
                found.append(block)
        return found

    def _once(self, block: Block, *, shown: bool) -> None:
        code = self._block(block, shown=shown)
        if code == 1 and 0 < len(last_failed(block)) <= MOST_AGAIN:  # pytest's code for failed tests: it had run them all
            self.again.append(block)
        elif code:
            self.failed = True

    def _block(self, block: Block, *, shown: bool = False) -> int:
        """Run one; return its exit code.

        `shown` prints its output as it comes, too.
        """
        started = monotonic()
        is_again = block.name.endswith("-again")
        if not is_again:
            shutil.rmtree(block.cache, ignore_errors=True)
        if shown:
            print(f"== {block.name}", flush=True)
        with block.log.open("wb") as log:
            process = subprocess.Popen(
                block.command(),
                cwd=ROOT,
                env=block.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # to be ended as one
            )
            self.running[block.name] = process
            assert process.stdout
            for line in process.stdout:
                log.write(line)
                log.flush()
                if shown:
                    sys.stdout.buffer.write(line)
                    sys.stdout.flush()
            code = process.wait()
        del self.running[block.name]
        self.failed |= bool(code) and (is_again or block.name == "load")
        self.summaries.append(f"{block.name}: {closing_line(block.log)} [{monotonic() - started:.0f} s]")
        return code


def last_failed(block: Block) -> list[str]:
    file = block.cache / "v" / "cache" / "lastfailed"
    return list(json.loads(file.read_text())) if file.exists() else []


def closing_line(log: Path) -> str:
    """Return the runner's last line, without the colours and rulers around it."""
    summary = re.compile(r"passed|failed|error|no tests|Tests ")
    lines = [line for line in log.read_text(errors="replace").splitlines() if summary.search(line)]
    return re.sub(r"\x1b\[[0-9;]*m|=+ ?", "", lines[-1]).strip() if lines else "ended without a result"


# --- the end ------------------------------------------------------------------------------------------------------


def cases() -> Iterator[tuple[tuple[str, str, str], bool, ET.Element]]:
    """Yield the tests of all JUnit files.

    Each has block, class and name; whether it is a second run; the element.
    """
    for file in ARTIFACTS.glob("junit-*.xml"):
        name = file.stem.removeprefix("junit-")
        for case in ET.parse(file).getroot().iter("testcase"):  # noqa: S314  # our own pytest wrote it
            test = (name.removesuffix("-again"), case.get("classname") or "", case.get("name") or "")
            yield test, name.endswith("-again"), case


def totals() -> bool:
    """Sum up the JUnit files in the last line; return whether all passed."""
    total, skipped = 0, 0
    failed: set[tuple[str, str, str]] = set()
    failed_again: set[tuple[str, str, str]] = set()
    run_again: set[tuple[str, str, str]] = set()
    for test, is_again, case in cases():
        kinds = {part.tag for part in case}
        total += not is_again
        skipped += "skipped" in kinds
        if is_again:
            run_again.add(test)
        if kinds & {"failure", "error"}:
            (failed_again if is_again else failed).add(test)
    flaky = (failed & run_again) - failed_again
    if flaky:
        print("passed only when run again, alone:", *sorted(": ".join(test) for test in flaky), sep="\n  ")
    failed = failed - flaky | failed_again
    print(f"{total - len(failed) - skipped} passed, {len(failed)} failed, {skipped} skipped", flush=True)
    return not failed and total > 0


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main(wanted: list[str]) -> NoReturn:
    missing = install_programs()
    known = [block.name for block in [*beside(missing), *alone()]]
    if unknown := [name for name in wanted if name not in known]:
        sys.exit(f"test: no block is called {unknown[0]}; known are {', '.join(known)}")
    ARTIFACTS.mkdir(exist_ok=True)
    for pattern in ("junit-*.xml", "*.log"):
        for file in ARTIFACTS.glob(pattern):
            file.unlink()
    run = Run(wanted, missing, failed=bool(missing) and os.environ.get("CI") == "true")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        run.all()
    finally:
        run.end()
    print("", *run.summaries, *([f"missing here: {' '.join(missing)}"] if missing else []), sep="\n")
    passed = totals()
    sys.exit(run.failed or not passed)


if __name__ == "__main__":
    main(sys.argv[1:])
