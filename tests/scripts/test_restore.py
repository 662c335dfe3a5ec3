"""`scripts/restore --check` of a stack's backup."""

import io
import tarfile
from pathlib import Path

import pytest

from tests.scripts.conftest import Checkout

pytestmark = pytest.mark.once

# Notes the key's file; its backups are not encrypted at all.
AGE = """#!/bin/sh
echo "$3" >>"$(dirname "$0")/keys"
cat "$4"
"""


def write_backup(file: Path, env: bytes) -> None:
    """Write what scripts/restore reads of a stack's backup: its .env."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w:gz") as archive:
        member = tarfile.TarInfo("env")
        member.size = len(env)
        archive.addfile(member, io.BytesIO(env))


@pytest.mark.parametrize("lost", [False, True], ids=["beside-env", "env-lost"])
def test_check_of_a_stack_starts_and_stops_nothing(faked: Checkout, lost: bool) -> None:
    """Without .env, whose secrets compose needs, it takes the backup's."""
    env = faked.env_file.read_bytes()
    if lost:
        faked.env_file.unlink()
    backups = faked.directory / "var" / "backups"
    write_backup(backups / "hubbub-20261130T031500Z.tar.gz", env)
    done = faked.script("restore", "--check", "latest")
    assert done.returncode == 0, done.stderr
    assert f"The newest backup is {backups}/hubbub-20261130T031500Z.tar.gz." in done.stderr
    assert ("no .env that could name BACKUP_DIR" in done.stderr) == lost
    assert faked.calls()[-1][-5:] == ["python", "app/manage.py", "restore", "--check-file", "-"]
    assert not [call for call in faked.calls() if {"up", "stop", "down", "create"} & set(call)]
    assert faked.env_file.read_bytes() == env


def test_key_file_of_env_lies_in_the_checkout(faked: Checkout, tmp_path: Path) -> None:
    """The environment's lies where the caller is, and comes first."""
    with faked.env_file.open("a") as file:
        file.write("BACKUP_IDENTITY=keys/age.txt\n")
    write_backup(tmp_path / "file.tar.gz.age", faked.env_file.read_bytes())
    (faked.directory / "bin" / "age").write_text(AGE)
    (faked.directory / "bin" / "age").chmod(0o755)
    for given in ({}, {"BACKUP_IDENTITY": "here.txt"}, {"BACKUP_IDENTITY": "/etc/key.txt"}):
        done = faked.script("restore", "--check", str(tmp_path / "file.tar.gz.age"), **given)
        assert done.returncode == 0, done.stderr
    used = (faked.directory / "bin" / "keys").read_text().splitlines()
    assert used == [f"{faked.directory}/keys/age.txt", f"{Path.cwd()}/here.txt", "/etc/key.txt"]
