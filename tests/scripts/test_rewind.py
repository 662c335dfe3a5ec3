"""A rewind that is interrupted before the database has its new epoch."""

import pytest

from tests.scripts.conftest import Checkout

pytestmark = pytest.mark.once


def starts(checkout: Checkout, since: int) -> list[str]:
    """Return the steps of the calls since one: Postgres, the new epoch, all services."""
    found = []
    for call in checkout.calls()[since:]:
        if "up" in call and "compose" in call:
            found.append("postgres" if call[-1] == "postgres" else "all")
        elif "--new-epoch" in call:
            found.append("epoch")
    return found


def test_new_epoch_comes_before_the_servers(faked: Checkout) -> None:
    """The database is back in time, and its migration container cannot be started."""
    with faked.env_file.open("a") as file:
        file.write("ARCHIVE_DAYS=7\n")
    fails = faked.directory / "bin" / "fails"
    fails.write_text("--new-epoch")
    rewind = ("archive", "--rewind", "2026-11-30 12:34:56+00")
    done = faked.script(*rewind)
    assert (done.returncode, "a rewind has not ended" in done.stderr) == (1, True), done.stderr
    assert starts(faked, 0) == ["postgres", "epoch"]
    since = len(faked.calls())
    assert faked.script("up").returncode == 1
    assert starts(faked, since) == ["postgres", "epoch"]
    fails.unlink()
    since = len(faked.calls())
    done = faked.script("up")
    assert done.returncode == 0, done.stderr
    assert starts(faked, since) == ["postgres", "epoch", "all"]
    since = len(faked.calls())
    assert faked.script("up").returncode == 0
    assert starts(faked, since) == ["all"]


def test_time_that_the_archive_lacks_leaves_the_epoch(faked: Checkout) -> None:
    with faked.env_file.open("a") as file:
        file.write("ARCHIVE_DAYS=7\n")
    (faked.directory / "bin" / "fails").write_text("--type=time")
    done = faked.script("archive", "--rewind", "2026-11-30 12:34:56+00")
    assert (done.returncode, "The database is not changed" in done.stderr) == (1, True), done.stderr
    assert starts(faked, 0) == ["all"]
