"""scripts/setup: interpreter, virtual environment, error messages."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("bash", "dirname", "basename", "id", "cat", "rm", "mkdir", "ln", "chmod", "env", "sh", "make", "printf")


class Checkout:
    """A bare checkout and a PATH with only the test's programs."""

    def __init__(self, root: Path) -> None:
        self.root = root / "checkout"
        self.bin = root / "bin"
        self.calls = root / "calls"
        shutil.copytree(ROOT / "scripts", self.root / "scripts")
        (self.root / "requirements").mkdir()
        for name in ("base", "dev", "node"):
            (self.root / "requirements" / f"{name}.txt").write_text(f"# {name}: nothing\n")
        self.bin.mkdir()
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found, tool
            (self.bin / tool).symlink_to(found)
        self.program("id", "echo 1000")

    def program(self, name: str, body: str) -> None:
        """Put a made-up program on the PATH that records every call."""
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>{self.calls}\n{body}\n')
        path.chmod(0o755)

    def python(self, name: str, *, version: str = "(3, 13)", ensurepip: bool = True, venv: Path | None = None) -> None:
        """Put this interpreter on the PATH as another version, or with gaps.

        Debian splits some modules off. With `venv` it copies that environment instead of making one: that takes
        seconds of a core.
        """
        code = "import sys; sys.version_info = (*%s, 0, 'final', 0)" % version  # noqa: UP031 - reads better than braces in braces
        fail = "" if ensurepip else 'case "$*" in *ensurepip*|*"-m venv"*) echo "No module named ensurepip" >&2; exit 1;; esac'
        if venv:
            fail += f'\ncase "$*" in "-m venv --clear "*) exec {shutil.which("cp")} -R "{venv}" "$4";; esac'
        body = f"""{fail}
if [ "$1" = -c ]; then code=$2; shift 2; exec {sys.executable} -c "{code}; $code" "$@"; fi
if [ "$1" = --version ]; then echo "Python {version[1:-1].replace(", ", ".")}.0"; exit; fi
exec {sys.executable} "$@\""""
        self.program(name, body)

    def setup(self, *steps: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run scripts/setup."""
        env = {"PATH": str(self.bin), "HOME": str(self.root)} | more
        command = [str(self.root / "scripts" / "setup"), *steps]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=100, check=False)

    @property
    def venv_python(self) -> Path:
        return self.root / ".venv" / "bin" / "python"


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh virtual environment with pip."""
    made = tmp_path_factory.mktemp("made") / "venv"
    subprocess.run([sys.executable, "-m", "venv", made], check=True, timeout=100)
    return made


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout without a virtual environment."""
    return Checkout(tmp_path)


def test_a_virtual_environment_is_made_once(checkout: Checkout) -> None:
    checkout.python("python3")
    first = checkout.setup("base")
    assert first.returncode == 0, first.stderr
    assert "Making .venv" in first.stderr
    assert "Installing Python packages" in first.stderr
    assert os.access(checkout.venv_python, os.X_OK)
    again = checkout.setup("base")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_a_changed_lock_is_installed_again(checkout: Checkout, venv: Path) -> None:
    checkout.python("python3", venv=venv)
    assert checkout.setup("base").returncode == 0
    (checkout.root / "requirements" / "base.txt").write_text("# something else\n")
    assert "Installing Python packages" in checkout.setup("base").stderr


@pytest.mark.parametrize("code", [0, 1])
def test_uv_installs_a_lock_and_pip_what_uv_does_not(checkout: Checkout, venv: Path, code: int) -> None:
    checkout.python("python3", venv=venv)
    assert checkout.setup("base").returncode == 0
    checkout.program("uv", f"exit {code}")
    (checkout.bin / "uv").rename(checkout.root / ".venv" / "bin" / "uv")
    (checkout.root / "requirements" / "base.txt").write_text("django==5.2\n")  # without a hash: pip refuses it
    done = checkout.setup("base")
    assert done.returncode == code, done.stderr
    assert ("pip could not install" in done.stderr) == bool(code)
    assert "--require-hashes -r requirements/base.txt" in checkout.calls.read_text()


def test_dev_install_includes_the_base_install(checkout: Checkout, venv: Path) -> None:
    checkout.python("python3", venv=venv)
    assert checkout.setup("dev").returncode == 0
    assert checkout.setup("base").stderr == ""


def test_a_lock_without_hashes_is_refused(checkout: Checkout, venv: Path) -> None:
    checkout.python("python3", venv=venv)
    (checkout.root / "requirements" / "base.txt").write_text("django==5.2\n")
    done = checkout.setup("base")
    assert done.returncode == 1
    assert "pip could not install requirements/base.txt" in done.stderr
    assert not list((checkout.root / ".venv").glob(".installed*"))


def test_newest_known_interpreter_is_used(checkout: Checkout, venv: Path) -> None:
    checkout.python("python3", version="(3, 10)", venv=venv)
    checkout.python("python3.11", version="(3, 11)", venv=venv)
    checkout.python("python3.12", version="(3, 12)", venv=venv)
    assert "Making .venv with Python 3.12.0" in checkout.setup("base").stderr


def test_an_interpreter_can_be_named(checkout: Checkout, venv: Path) -> None:
    checkout.python("python3.12", version="(3, 12)", venv=venv)
    checkout.python("ours", version="(3, 11)", venv=venv)
    assert "Making .venv with Python 3.11.0" in checkout.setup("base", PYTHON="ours").stderr


def test_a_named_interpreter_that_is_none_is_refused(checkout: Checkout) -> None:
    checkout.python("python3.12", version="(3, 12)")
    checkout.python("old", version="(3, 10)")
    for name in ("old", "/none/python3"):
        done = checkout.setup("base", PYTHON=name)
        assert done.returncode == 1
        assert done.stderr == f"setup: PYTHON={name} is not Python 3.11 or newer\n"


def test_too_old_python_is_named(checkout: Checkout) -> None:
    checkout.python("python3", version="(3, 10)")
    done = checkout.setup("base")
    assert done.returncode == 1
    assert done.stderr == "setup: needs Python 3.11 or newer as python3, found Python 3.10.0\n"


def test_missing_python_is_reported(checkout: Checkout) -> None:
    done = checkout.setup("base")
    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr


def test_missing_ensurepip_names_the_package_to_install(checkout: Checkout) -> None:
    checkout.python("python3", ensurepip=False)
    done = checkout.setup("base")
    assert done.returncode == 1
    assert "install python3.13-venv (apt-get install python3.13-venv), uv or virtualenv" in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_missing_ensurepip_is_replaced_by_uv(checkout: Checkout, venv: Path) -> None:
    checkout.python("python3", ensurepip=False)
    checkout.program("uv", f'[ "$1" = --version ] || {shutil.which("cp")} -R {venv} {checkout.root}/.venv')
    assert checkout.setup("base").returncode == 0
    assert "uv venv" in checkout.calls.read_text()


def test_root_installs_the_missing_package(checkout: Checkout) -> None:
    checkout.python("python3", ensurepip=False)
    checkout.program("id", "echo 0")
    checkout.program("apt-get", "[ $1 = update ] || exit 100")
    done = checkout.setup("base")
    calls = checkout.calls.read_text()
    assert "apt-get install -y -qq --no-install-recommends python3.13-venv" in calls
    assert done.returncode == 1  # this apt-get installs nothing
    assert "cannot make virtual environments here" in done.stderr


def test_an_unknown_step_is_refused(checkout: Checkout) -> None:
    checkout.python("python3")
    done = checkout.setup("everything")
    assert done.returncode == 2
    assert "Usage: scripts/setup" in done.stderr
