"""Images built by hand from a clone that was made with umask 077."""

import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.rolling import docker
from tests.stack.stack import ROOT, copy_checkout

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1800)]
# Files that a build copies from the checkout and that the image's user must read.
PLACES = {
    "web": ("/srv/hubbub/app", "/srv/hubbub/scripts", "/srv/hubbub/static", "/srv/hubbub/.venv"),
    "nginx": ("/usr/share/nginx/hubbub", "/opt/hubbub"),
    "archive": ("/usr/local/bin/with-archive",),
    "acme": ("/srv/acme/companion.py", "/srv/acme/.venv"),
    "loadtest": ("/srv/loadtest",),
}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose files only their owner reads."""
    made = tmp_path_factory.mktemp("strict")
    copy_checkout(made)
    subprocess.run(["cp", "-r", ROOT / "loadtest", made / "loadtest"], check=True, timeout=60)
    subprocess.run(["chmod", "-R", "go=", made], check=True, timeout=60)
    return made


@pytest.fixture
def tag() -> Iterator[str]:
    name = f"hubbub-test-{secrets.token_hex(4)}"
    yield name
    docker("image", "rm", "--force", name)


@pytest.mark.parametrize("image", PLACES)
def test_image_of_a_strict_clone_is_readable(strict: Path, tag: str, image: str) -> None:
    """As k8s/README.md builds them; `make up` makes the sources readable first."""
    command = ["docker", "build", "--tag", tag, "--file", f"docker/{image}.Dockerfile", "."]
    built = subprocess.run(command, cwd=strict, capture_output=True, text=True, check=False, timeout=1500)
    assert built.returncode == 0, built.stderr[-3000:]
    unreadable = ("find", *PLACES[image], "!", "-readable", "-o", "-type", "d", "!", "-executable")
    found = docker("run", "--rm", "--network=none", "--entrypoint", unreadable[0], tag, *unreadable[1:])
    assert found.splitlines() == []
    programs = ("find", *PLACES[image], "-perm", "-u=x", "!", "-executable")
    assert docker("run", "--rm", "--network=none", "--entrypoint", programs[0], tag, *programs[1:]).splitlines() == []
