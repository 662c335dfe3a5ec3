"""A file of secrets that cannot be written stays as it was."""

import pytest

from tests.scripts.conftest import Checkout

pytestmark = pytest.mark.once


def test_secret_that_cannot_be_written_leaves_nothing(faked: Checkout) -> None:
    directory = faked.directory / "var" / "secrets"
    assert faked.script("up", "--secrets").returncode == 0
    before = {path.name: path.read_text() for path in directory.iterdir()}
    assert before["SECRET_KEY"] == "a"
    faked.env_file.write_text(faked.env_file.read_text().replace("SECRET_KEY=a", "SECRET_KEY=b"))
    # As on a full disk.
    (faked.directory / "bin" / "mv").write_text("#!/bin/sh\nexit 1\n")
    (faked.directory / "bin" / "mv").chmod(0o755)
    done = faked.script("up", "--secrets")
    assert done.returncode == 1
    assert "cannot write to" in done.stderr
    assert {path.name: path.read_text() for path in directory.iterdir()} == before
