"""scripts/clean --volume: one volume of this project, and no other's."""

import pytest

from tests.scripts.conftest import Checkout

pytestmark = pytest.mark.once
VOLUMES = "hubbub_postgres hubbub postgres\nchat_postgres chat postgres\nchat_files chat files\n"


@pytest.fixture
def named(faked: Checkout) -> Checkout:
    """An installation of a project of its own, beside one of the usual name."""
    (faked.directory / "bin" / "volumes").write_text(VOLUMES)
    faked.env_file.write_text(f"{faked.env_file.read_text()}COMPOSE_PROJECT_NAME=chat\n")
    return faked


def removed(checkout: Checkout) -> list[list[str]]:
    return [call[2:] for call in checkout.calls() if call[:2] == ["volume", "rm"]]


def test_volume_of_the_project_is_removed(named: Checkout) -> None:
    done = named.script("clean", "--volume", "postgres")
    assert done.returncode == 0, done.stderr
    assert removed(named) == [["chat_postgres"]]
    assert "chat_postgres" in done.stderr
    assert not any("down" in call for call in named.calls()), "the rest stays as it is"


@pytest.mark.parametrize("arguments", [["--volume", "acme"], ["--volume"], ["--volume", ""], ["--volumes", "postgres"]])
def test_volume_that_is_not_there_is_named(named: Checkout, arguments: list[str]) -> None:
    done = named.script("clean", *arguments)
    assert done.returncode == 1
    assert "nothing was deleted" in done.stderr
    assert removed(named) == []
