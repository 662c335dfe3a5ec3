"""`scripts/restore --check` of a stack's backup."""

import io
import tarfile

import pytest

from tests.scripts.conftest import Checkout

pytestmark = pytest.mark.once


@pytest.mark.parametrize("lost", [False, True], ids=["beside-env", "env-lost"])
def test_check_of_a_stack_starts_and_stops_nothing(faked: Checkout, lost: bool) -> None:
    """Without .env, whose secrets compose needs, it takes the backup's."""
    env = faked.env_file.read_bytes()
    if lost:
        faked.env_file.unlink()
    backups = faked.directory / "var" / "backups"
    backups.mkdir(parents=True)
    with tarfile.open(backups / "hubbub-20261130T031500Z.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("env")
        member.size = len(env)
        archive.addfile(member, io.BytesIO(env))
    done = faked.script("restore", "--check", "latest")
    assert done.returncode == 0, done.stderr
    assert f"The newest backup is {backups}/hubbub-20261130T031500Z.tar.gz." in done.stderr
    assert ("no .env that could name BACKUP_DIR" in done.stderr) == lost
    assert faked.calls()[-1][-5:] == ["python", "app/manage.py", "restore", "--check-file", "-"]
    assert not [call for call in faked.calls() if {"up", "stop", "down", "create"} & set(call)]
    assert faked.env_file.read_bytes() == env
