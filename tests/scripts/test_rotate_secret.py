"""scripts/rotate-secret where an earlier run left .env and database apart."""

import pytest

from tests.scripts.conftest import Checkout

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("role", "coming"),
    [("old", ""), ("of a run whose .env is lost", ""), ("old", "new"), ("new", "new")],
    ids=["equal", "apart", "taught", "altered"],
)
def test_servers_know_the_role_at_each_roll(faked: Checkout, role: str, coming: str) -> None:
    """Begin with each password that the role may have.

    It is the one of before, of an .env that is gone, or already the coming one.
    """
    faked.role(role)
    if coming:
        faked.env_file.write_text(f"{faked.env_file.read_text()}DATABASE_PASSWORD_FALLBACK={coming}\n")
    done = faked.script("rotate-secret", "POSTGRES_PASSWORD")
    assert done.returncode == 0, done.stderr
    assert faked.rolls() == ["ready", "ready"]
    assert faked.setting("POSTGRES_PASSWORD") == faked.role()
    assert faked.role() not in {"", "old", "of a run whose .env is lost"}
    assert coming in {"", faked.role()}
    assert faked.setting("DATABASE_PASSWORD_FALLBACK") == ""


def test_database_is_told_by_standard_input(faked: Checkout) -> None:
    """A command line can be read by everybody on the machine."""
    faked.role("old")
    assert faked.script("rotate-secret", "POSTGRES_PASSWORD").returncode == 0
    assert not any(faked.role() in argument for call in faked.calls() for argument in call)
