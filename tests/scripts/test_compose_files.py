"""The files that scripts/compose hands to docker compose."""

from pathlib import Path

import pytest

from tests.scripts.conftest import Checkout

pytestmark = pytest.mark.once


def handed(checkout: Checkout) -> list[str]:
    """Return the files of the last call."""
    done = checkout.script("compose", "up")
    assert done.returncode == 0, done.stderr
    call = checkout.calls()[-1]
    assert call[-1] == "up"
    return [call[place + 1] for place, argument in enumerate(call) if argument == "--file"]


def test_absolute_path_in_compose_file_stays(faked: Checkout, tmp_path: Path) -> None:
    """The other paths are of the checkout, wherever the script is called."""
    own = tmp_path / "operator" / "own.yaml"
    with faked.env_file.open("a") as file:
        file.write(f"COMPOSE_FILE=compose.yaml:{own}\n")
    assert handed(faked) == [str(faked.directory / "compose.yaml"), str(own)]


def test_files_follow_the_settings(faked: Checkout) -> None:
    with faked.env_file.open("a") as file:
        file.write("ARCHIVE_DAYS=7\n")
    assert [Path(file).name for file in handed(faked)] == ["compose.yaml", "compose.archive.yaml"]


def test_relative_certificate_lies_in_the_checkout(faked: Checkout) -> None:
    """Compose would not find it there either."""
    assert Path("pyproject.toml").exists()
    with faked.env_file.open("a") as file:
        file.write("TLS_CERTIFICATE=pyproject.toml\nTLS_KEY=compose.yaml\n")
    done = faked.script("up")
    assert (done.returncode, "there is no file pyproject.toml" in done.stderr) == (1, True), done.stderr
    (faked.directory / "pyproject.toml").touch()
    assert "there is no file" not in faked.script("up").stderr
