"""A checkout whose scripts find a made-up docker."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.server import ROOT

# Notes whether servers of .env could open a connection.
ROLL = """#!/usr/bin/env bash
here=$(dirname "$0")/..
known=$(sed -n "s/^\\(POSTGRES_PASSWORD\\|DATABASE_PASSWORD_FALLBACK\\)=//p" "$here/.env")
if grep -Fqxe "$(cat "$here/bin/role")" <<<"$known"; then echo ready; else echo locked out; fi >>"$here/rolls"
"""


@dataclass(frozen=True)
class Checkout:
    """A copy of the scripts with an .env, and a docker that is none."""

    directory: Path

    @property
    def env_file(self) -> Path:
        return self.directory / ".env"

    def script(self, name: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        given = {"PATH": f"{self.directory / 'bin'}:{os.environ['PATH']}", **env}
        command: list[str | Path] = [self.directory / "scripts" / name, *arguments]
        return subprocess.run(command, env=given, capture_output=True, text=True, check=False, timeout=60, input="")

    def calls(self) -> list[list[str]]:
        """Return the arguments of each call of docker."""
        return [json.loads(line) for line in (self.directory / "bin" / "calls").read_text().splitlines()]

    def setting(self, name: str) -> str:
        lines = self.env_file.read_text().splitlines()
        return next((line.partition("=")[2] for line in reversed(lines) if line.startswith(f"{name}=")), "")

    def role(self, password: str = "") -> str:
        """Set the password of the database's role, if given; return the present one."""
        file = self.directory / "bin" / "role"
        if password:
            file.write_text(password)
        return file.read_text()

    def rolls(self) -> list[str]:
        file = self.directory / "rolls"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def faked(tmp_path: Path) -> Checkout:
    made = tmp_path / "checkout"
    shutil.copytree(ROOT / "scripts", made / "scripts")
    for name in (".env.example", "compose.yaml"):
        shutil.copy(ROOT / name, made)
    (made / "scripts" / "roll").write_text(ROLL)
    (made / "bin").mkdir()
    shutil.copy(Path(__file__).with_name("fake_docker.py"), made / "bin" / "docker")
    (made / "bin" / "docker").chmod(0o755)
    (made / ".env").write_text("SECRET_KEY=a\nPOSTGRES_PASSWORD=old\nREDIS_PASSWORD=c\n")
    return Checkout(made)
