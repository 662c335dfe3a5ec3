"""What scripts/doctor tells the doctor of the machine."""

import pytest

from tests.scripts.conftest import Checkout

pytestmark = pytest.mark.once


def test_docker_error_is_no_answer_of_postgres(faked: Checkout) -> None:
    """As on a full disk, where no command can be run in its container."""
    backups = faked.directory / "kept"
    backups.mkdir()
    with faked.env_file.open("a") as file:
        file.write("BACKUP_DIR=kept\n")
    (faked.directory / "bin" / "fails").write_text("postgres")
    done = faked.script("doctor")
    assert done.returncode == 0, done.stderr
    asked = faked.calls()[-1]
    disks = [asked[place + 1] for place, argument in enumerate(asked) if argument == "--disk"]
    assert [one.partition("=")[0] for one in disks] == ["backups"]
    assert "OCI" not in " ".join(asked)
