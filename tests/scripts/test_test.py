"""scripts/test chooses, reruns and reports tests; scripts/test_fast selects tests.

The tests are planted.
"""

import inspect
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

import pytest

import tests.conftest

ROOT = Path(__file__).resolve().parents[2]
# Made up: nothing here calls them.
PROGRAMS = ("initdb", "redis-server", "pgbouncer", "nginx", "envsubst", "chromium", "chromium-headless-shell", "docker")
LOADED = (
    "tests/chaos/test_chaos.py",
    "tests/stack/test_load.py",
    "tests/stack/test_load_containers.py",
    "tests/stack/test_restarts.py",
)
# A test that fails this many times, and passes from then on.
FAILS = """
def test_number_{number}(request):
    past = request.config.rootpath / "failed_{number}"
    runs = len(past.read_text()) if past.exists() else 0
    past.write_text("x" * (runs + 1))
    assert runs >= {times}
"""


class Checkout:
    """A checkout with scripts/test, this checkout's Python and no tests yet."""

    def __init__(self, root: Path) -> None:
        self.root = root / "checkout"
        shutil.copytree(ROOT / "scripts", self.root / "scripts")
        (self.root / "scripts" / "setup").write_text("#!/bin/sh\n")
        (self.root / ".venv").symlink_to(ROOT / ".venv")
        (self.root / "pyproject.toml").write_text(
            '[tool.pytest.ini_options]\naddopts = "-p xdist.plugin"\nmarkers = ["stack", "browser", "once", "served"]\n'
        )
        self.bin = root / "bin"
        self.bin.mkdir()
        for name in PROGRAMS:
            (self.bin / name).write_text("#!/bin/sh\n")
            (self.bin / name).chmod(0o755)

    def plant(self, file: str, *times: int, head: str = "") -> None:
        """Write a file of tests; each fails this many times."""
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(head + "".join(FAILS.format(number=number, times=one) for number, one in enumerate(times)))

    def test(self, block: str) -> subprocess.CompletedProcess[str]:
        """Run one block."""
        return self._run("test", block)

    def fast(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run scripts/test_fast."""
        return self._run("test_fast", *arguments)

    @property
    def env(self) -> dict[str, str]:
        """Return the variables of its scripts."""
        env = {"PATH": f"{self.bin}:{os.environ['PATH']}", "HOME": str(self.root), "PYTHONDONTWRITEBYTECODE": "1"}
        return env | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # each process would load them all

    def _run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.root / "scripts" / script), *arguments]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=110, check=False)


@pytest.fixture
def planted(tmp_path: Path) -> Checkout:
    """A checkout to plant tests into."""
    return Checkout(tmp_path)


def wait_until(ready: Callable[[], bool], run: subprocess.Popen[bytes]) -> None:
    """Wait 60 s at most, while the run goes on."""
    deadline = monotonic() + 60
    while not ready():
        assert run.poll() is None, "it has ended"
        assert monotonic() < deadline
        sleep(0.1)


def closing(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the last paragraph of a run's output."""
    return done.stdout.strip().split("\n\n")[-1].splitlines()


def test_test_that_passes_alone_is_named_without_failing(planted: Checkout) -> None:
    planted.plant("tests/rooms/test_planted.py", 0, 1)
    done = planted.test("postgres")
    assert done.returncode == 0, done.stdout + done.stderr
    assert closing(done)[-3:] == [
        "passed only when run again, alone:",
        "  postgres: tests.rooms.test_planted: test_number_1",
        "2 passed, 0 failed, 0 skipped",
    ]
    assert "assert 0 >= 1" in (planted.root / "artifacts" / "postgres.log").read_text(), "the first failure can be read"
    assert len((planted.root / "failed_0").read_text()) == 1, "passed tests do not run again"


def test_test_that_fails_again_fails_the_run(planted: Checkout) -> None:
    planted.plant("tests/rooms/test_planted.py", 1, 2)
    done = planted.test("postgres")
    assert done.returncode == 1, done.stdout + done.stderr
    assert closing(done)[-3:] == [
        "passed only when run again, alone:",
        "  postgres: tests.rooms.test_planted: test_number_0",
        "1 passed, 1 failed, 0 skipped",
    ]


def test_parallel_block_gets_a_second_run(planted: Checkout) -> None:
    head = "import pytest\npytestmark = pytest.mark.stack\n"
    for file in ("tests/stack/test_roll.py", "tests/stack/test_roll_failures.py"):
        planted.plant(file, 0, head=head)
    planted.plant("tests/stack/test_load.py", 9, head=head)  # runs in another block
    planted.plant("tests/k8s/test_planted.py", 0, 1, head=head)
    done = planted.test("stack")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "== stack\n" in done.stdout
    assert closing(done)[-3:] == [
        "passed only when run again, alone:",
        "  stack: tests.k8s.test_planted: test_number_1",
        "4 passed, 0 failed, 0 skipped",
    ]


# Five blocks are due, and two run beside one another.
def test_ended_run_begins_no_more_blocks(planted: Checkout) -> None:
    sleeping = "import pytest\nfrom pathlib import Path\nfrom time import sleep\n{mark}def test_sleeps():\n"
    sleeping += "    Path('{name}.begun').touch()\n    sleep(100)\n"
    planted.plant("tests/rooms/test_rooms_sleep.py", head=sleeping.format(name="embedded", mark=""))
    planted.plant("tests/stack/test_stack_sleep.py", head=sleeping.format(name="stack", mark="@pytest.mark.stack\n"))
    planted.plant("tests/browser/test_browser_sleep.py", head=sleeping.format(name="browser", mark="@pytest.mark.browser\n"))
    with (planted.root / "output").open("w") as output:
        run = subprocess.Popen([planted.root / "scripts" / "test"], env=planted.env, stdout=output, stderr=subprocess.STDOUT)
        wait_until(lambda: all((planted.root / f"{name}.begun").exists() for name in ("embedded", "stack")), run)
        run.terminate()
        assert run.wait(30) == 143
    begun = {file.stem for file in (planted.root / "artifacts").glob("*.log")}
    assert begun == {"embedded", "stack"}, (planted.root / "output").read_text()
    assert not (planted.root / "browser.begun").exists()


def test_many_failures_get_no_second_run(planted: Checkout) -> None:
    planted.plant("tests/rooms/test_planted.py", *[1] * 6)
    done = planted.test("postgres")
    assert done.returncode == 1, done.stdout + done.stderr
    assert closing(done)[-1] == "0 passed, 6 failed, 0 skipped"
    assert "Again" not in done.stderr


def test_interrupted_block_fails_the_run(planted: Checkout) -> None:
    planted.plant("tests/rooms/test_planted.py", 1)
    (planted.root / "tests" / "rooms" / "conftest.py").write_text(
        "import os\ndef pytest_sessionfinish(session):\n    if not hasattr(session.config, 'workerinput'): os._exit(3)\n"
    )
    done = planted.test("postgres")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Again" not in done.stderr


def test_load_run_with_a_loss_gets_no_second_run(planted: Checkout) -> None:
    for file in LOADED:
        planted.plant(file, head="import pytest\npytestmark = pytest.mark.stack\n")
    planted.plant(LOADED[0], 1, head="import pytest\npytestmark = pytest.mark.stack\n")
    done = planted.test("load")
    assert done.returncode == 1, done.stdout + done.stderr
    assert closing(done)[-1] == "0 passed, 1 failed, 0 skipped"
    assert "Again" not in done.stderr


def test_block_reads_the_files_of_its_mark_alone(planted: Checkout) -> None:
    planted.plant("tests/rooms/test_planted.py", 0, head="import pytest\npytestmark = pytest.mark.stack\n")
    planted.plant("tests/rooms/test_other.py", 0, head="raise RuntimeError\n")
    done = planted.test("stack")
    assert done.returncode == 0, done.stdout + done.stderr
    assert closing(done)[-1] == "1 passed, 0 failed, 0 skipped"


# Docker's networks come and go beside it, and Chromium drops its loads then. With loopback alone it would be offline.
def test_browser_has_a_network_of_its_own(planted: Checkout) -> None:
    head = "import fcntl\nimport pytest\nimport socket\npytestmark = pytest.mark.browser\n"
    alone = "def test_network():\n    assert {name for _, name in socket.if_nameindex()} == {'lo', 'nowhere', 'end'}\n"
    alone += "    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:\n"
    alone += "        flags = fcntl.ioctl(one, 0x8913, b'nowhere'.ljust(40, b'\\0'))[16]\n"
    alone += "    assert flags & 0x41 == 0x41, 'it is up and running'\n"
    served = "def test_loopback():\n    with socket.create_server(('127.0.0.1', 0)) as it:\n"
    served += "        socket.create_connection(it.getsockname(), 5).close()\n"
    planted.plant("tests/browser/test_planted.py", head=head + alone + served)
    done = planted.test("browser")
    assert done.returncode == 0, done.stdout + done.stderr
    assert closing(done)[-1] == "2 passed, 0 failed, 0 skipped"


def test_unknown_block_is_refused(planted: Checkout) -> None:
    done = planted.test("brwoser")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("test: no block is called brwoser; known are embedded, stack, postgres, ")


def test_fast_runs_new_files_and_skips_its_listed_paths(planted: Checkout) -> None:
    planted.plant("tests/polls/test_planted.py", 0)
    planted.plant("tests/nginx/test_planted.py", 9)
    planted.plant("tests/realtime/property/test_planted.py", 9)
    done = planted.fast()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


@pytest.mark.parametrize("fixture", sorted(tests.conftest.SERVERS))
def test_fast_skips_tests_that_ask_a_server(planted: Checkout, fixture: str) -> None:
    planted.plant("tests/rooms/test_planted.py", 0)
    (planted.root / "tests" / "rooms" / "test_own.py").write_text(f"def test_own({fixture}):\n    assert False\n")
    hook = f"LONGEST = ()\nSERVERS = {tests.conftest.SERVERS}\n" + inspect.getsource(tests.conftest.pytest_collection_modifyitems)
    own = f"@pytest.fixture\ndef {fixture}():\n    pass\n"
    (planted.root / "tests" / "conftest.py").write_text(f"import pytest\n{hook}\n{own}")
    done = planted.fast()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_fast_names_paths_that_exist(planted: Checkout) -> None:
    said = planted.fast("--help").stdout
    named = [line.strip() for line in said.split("below tests/,\n")[1].splitlines()]
    assert "realtime/property" in named
    assert [path for path in named if not (ROOT / "tests" / path).exists()] == []
