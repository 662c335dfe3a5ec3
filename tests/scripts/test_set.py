"""scripts/set brings a setting into .env, and the operator's own value back."""

import pytest

from tests.scripts.conftest import Checkout

pytestmark = pytest.mark.once
BEFORE = "SECRET_KEY=a\nDRAIN_SECONDS=5\n#LIMIT_UNSENT_MB=64\nDRAIN_SECONDS=6"


def test_value_of_before_comes_back(faked: Checkout) -> None:
    """Of two lines the last counts.

    Another setting is a comment, a third one is new, and the last line has no end.
    """
    faked.env_file.write_text(BEFORE)
    done = faked.script("set", "DRAIN_SECONDS=7", "LIMIT_UNSENT_MB=32", "TILES_ATTRIBUTION=© a map")
    assert done.returncode == 0, done.stderr
    assert faked.env_file.read_text() == (
        "SECRET_KEY=a\n#before: DRAIN_SECONDS=6\nDRAIN_SECONDS=7\n#before: #LIMIT_UNSENT_MB=64\nLIMIT_UNSENT_MB=32\n"
        "#before: TILES_ATTRIBUTION\nTILES_ATTRIBUTION='© a map'\n"
    )
    again = faked.script("set", "LIMIT_UNSENT_MB=16", "DRAIN_SECONDS=8")
    assert again.returncode == 0, again.stderr
    assert (faked.setting("DRAIN_SECONDS"), faked.setting("LIMIT_UNSENT_MB")) == ("8", "16")
    back = faked.script("set", "--back", "DRAIN_SECONDS", "TILES_ATTRIBUTION", "LIMIT_UNSENT_MB")
    assert back.returncode == 0, back.stderr
    assert faked.env_file.read_text() == "SECRET_KEY=a\nDRAIN_SECONDS=6\n#LIMIT_UNSENT_MB=64\n"


def test_env_that_is_a_link_stays_one(faked: Checkout) -> None:
    there = faked.directory.parent / "a folder" / "settings of Ada"
    there.parent.mkdir()
    faked.env_file.rename(there)
    faked.env_file.symlink_to(there)
    done = faked.script("set", "LIMIT_UNSENT_MB=32")
    assert done.returncode == 0, done.stderr
    assert faked.env_file.is_symlink()
    assert "LIMIT_UNSENT_MB=32" in there.read_text()


@pytest.mark.parametrize("is_link", [True, False], ids=["link to nowhere", "folder"])
def test_env_that_is_no_file_is_named(faked: Checkout, is_link: bool) -> None:
    """`make up` said that it had made one."""
    faked.env_file.unlink()
    if is_link:
        faked.env_file.symlink_to("/mnt/of a disk that is away/env")
    else:
        faked.env_file.mkdir()
    done = faked.script("up")
    assert (done.returncode, ".env is there and no file" in done.stderr) == (1, True), done.stderr
    assert not (faked.directory / ".env.new").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["LIMIT_UNSEND_MB=3"], "there is no setting LIMIT_UNSEND_MB"),
        (["LIMIT_UNSENT_MB=3\nSIGNUP_OPEN=true"], "LIMIT_UNSENT_MB holds a line break"),
        (["LIMIT_UNSENT_MB"], "is not of the form NAME=VALUE"),
        (["LIMIT_UNSENT_MB=3", "REDIS_PASSWORD=b"], "REDIS_PASSWORD is a secret"),
        (["--back", "DRAIN_SECONDS"], "DRAIN_SECONDS was not set by scripts/set"),
        (["--back"], "say which"),
    ],
)
def test_refused_call_changes_nothing(faked: Checkout, arguments: list[str], says: str) -> None:
    faked.env_file.write_text(BEFORE)
    done = faked.script("set", *arguments)
    assert (done.returncode, says in done.stderr) == (1, True), done.stderr
    assert faked.env_file.read_text() == BEFORE


def test_value_that_would_not_count_is_taken_back(faked: Checkout) -> None:
    before = "SECRET_KEY=a\n#LIMIT_UNSENT_MB=64\nexport LIMIT_UNSENT_MB=48\n"
    faked.env_file.write_text(before)
    done = faked.script("set", "LIMIT_UNSENT_MB=32")
    assert (done.returncode, "another line of .env sets LIMIT_UNSENT_MB, too" in done.stderr) == (1, True), done.stderr
    environment = faked.script("set", "LIMIT_UNSENT_MB=32", LIMIT_UNSENT_MB="16")
    assert "the environment sets LIMIT_UNSENT_MB, which wins over .env" in environment.stderr
    assert faked.env_file.read_text() == before
