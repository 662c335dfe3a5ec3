"""scripts/check finds each fault planted into a copy of the checkout."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOST = "files.pythonhosted." + "org"  # split, so that the check does not find it here


class Copy:
    """The project's current files with this checkout's tools."""

    def __init__(self, root: Path) -> None:
        self.root = root
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        for name in listed.stdout.splitlines():
            if (ROOT / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, root / name)
        (root / ".venv").symlink_to(ROOT / ".venv")
        subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)

    def write(self, name: str, text: str) -> None:
        """Write or replace a file."""
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text)

    def append(self, name: str, text: str) -> None:
        """Add a line to a file."""
        with (self.root / name).open("a") as file:
            file.write(f"{text}\n")

    def check(self, *steps: str) -> subprocess.CompletedProcess[str]:
        """Run these steps."""
        return subprocess.run(
            [str(self.root / "scripts" / "check"), *steps], capture_output=True, text=True, timeout=110, check=False
        )


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """A copy of the project to plant faults in."""
    return Copy(tmp_path)


def refuses(copy: Copy, step: str, finding: str) -> None:
    """Check that one step fails and shows its finding."""
    done = copy.check(step)
    assert done.returncode == 1, done.stdout
    assert f"0 checks passed, 1 failed: {step}" in done.stdout
    assert finding in done.stdout


def test_a_lint_fault_is_found(copy: Copy) -> None:
    copy.write("app/planted.py", "import os\n")
    refuses(copy, "lint", "F401")


def test_an_unformatted_file_is_found(copy: Copy) -> None:
    copy.write("app/planted.py", "x = ( 1,2 )\n")
    refuses(copy, "format", "planted.py")


@pytest.mark.parametrize(
    ("first", "second", "line"),
    [
        ("app/core/planted.py", "app/core/planted_too.py", "from core.{} import X"),
        (
            "app/core/planted.py",
            "app/core/planted_too.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from core.{} import X",
        ),
        ("loadtest/planted.py", "loadtest/planted_too.py", "def late():\n    import loadtest.{}"),
        ("frontend/src/planted.ts", "frontend/src/planted_too.ts", "import type {{ X }} from './{}'"),
    ],
)
def test_files_that_import_each_other_are_found(copy: Copy, first: str, second: str, line: str) -> None:
    copy.write(first, line.format("planted_too"))
    copy.write(second, line.format("planted"))
    refuses(copy, "circles", "planted_too")


@pytest.mark.parametrize(
    "line", ["def frame_" + "of(text): ...", "log" + " = structlog.get_logger()", "x = access." + "ref(room)"]
)
def test_a_replaced_name_is_found(copy: Copy, line: str) -> None:
    copy.append("app/core/errors.py", line)
    refuses(copy, "words", "app/core/errors.py")


@pytest.mark.parametrize("file", ["docs/asyncapi.yaml", "frontend/src/protocol.gen.ts"])
def test_a_stale_description_of_the_wire_is_found(copy: Copy, file: str) -> None:
    copy.append(file, "# planted" if file.endswith("yaml") else "// planted")
    refuses(copy, "protocol", Path(file).name)


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("realtime", "from rooms import models"),
        ("rooms", "from realtime import hub"),
        ("chat", "import realtime.hub"),
        ("core", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from db import database"),
        ("server", "def late():\n    import jobs"),
    ],
)
def test_an_import_against_the_rules_is_found(copy: Copy, module: str, line: str) -> None:
    copy.write(f"app/{module}/planted.py", f"{line}\n")
    refuses(copy, "imports", f"{module}.planted")


def test_script_with_a_shellcheck_fault_is_found(copy: Copy) -> None:
    for script in (copy.root / "scripts").iterdir():  # shellcheck takes seconds for the unrelated ones
        if script.is_file() and script.name not in {"check", "setup"}:
            script.unlink()
    copy.write("scripts/planted", "#!/bin/sh\nrm $1\n")
    refuses(copy, "shell", "SC2086")


def test_dockerfile_with_a_lint_fault_is_found(copy: Copy) -> None:
    copy.write("docker/planted.Dockerfile", "FROM debian:latest\n")
    refuses(copy, "dockerfiles", "DL3007")


def test_broken_yaml_is_found(copy: Copy) -> None:
    copy.write("planted.yaml", "a: 1\na: 2\n")
    refuses(copy, "yaml", "duplication of key")


@pytest.mark.parametrize("line", [f"x @ https://{HOST}/x.whl", "--index-url anything", "--extra-index-url anything"])
def test_a_lock_that_names_its_source_is_found(copy: Copy, line: str) -> None:
    copy.append("requirements/base.txt", line)
    refuses(copy, "locks", line)


def test_a_package_lock_that_names_its_source_is_found(copy: Copy) -> None:
    copy.append("frontend/package-lock.json", '"resolved": "somewhere"')
    refuses(copy, "locks", '"resolved"')


def test_the_address_of_a_registry_is_found(copy: Copy) -> None:
    copy.write("docs/planted.md", f"See {HOST} for more.\n")
    refuses(copy, "traces", "docs/planted.md")


def test_a_path_of_this_machine_is_found(copy: Copy) -> None:
    copy.write("docs/planted.md", f"Look into {copy.root}/app.\n")
    refuses(copy, "traces", "docs/planted.md")


def test_all_steps_run_after_one_has_failed(copy: Copy) -> None:
    copy.write("app/planted.py", "import os\n")
    done = copy.check("lint", "locks", "traces")
    assert done.returncode == 1
    assert [line.split()[:2] for line in done.stdout.splitlines() if line and line[0] not in " 0123456789"] == [
        ["lint", "FAILED"],
        ["locks", "ok"],
        ["traces", "ok"],
    ]
    assert "2 checks passed, 1 failed: lint" in done.stdout


def test_an_unknown_step_is_refused(copy: Copy) -> None:
    done = copy.check("lnit")
    assert done.returncode == 1
    assert "no check is called lnit" in done.stderr
