"""The stack, built and started once for all tests of this folder."""

import json
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from tests.stack.rolling import docker
from tests.stack.stack import Stack, copy_checkout


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the stack's files, without an .env."""
    directory = tmp_path_factory.mktemp("checkout")
    copy_checkout(directory)
    return directory


@pytest.fixture(scope="session")
def stack(checkout: Path) -> Iterator[Stack]:
    """Two web replicas behind nginx, from `make up`, without limits.

    A test with changes (scale, settings of a service) reverts them before its end.
    """
    running = Stack(checkout)
    try:
        running.up()
        yield running
    finally:
        running.remove()


@pytest.fixture
def restored(stack: Stack) -> Iterator[Stack]:
    """The stack; afterwards it is as it was started."""
    yield stack
    stack.restore()


@pytest.fixture(scope="module")
def rolled(stack: Stack) -> Iterator[Stack]:
    """The stack; after the module's last test it is as it was started."""
    yield stack
    stack.restore()


@pytest.fixture
def settled(rolled: Stack) -> Iterator[Stack]:
    """Provide a whole stack, as the test before left it.

    It has one version and one set of settings, but not always those of its start.
    """
    yield rolled
    if not rolled.is_settled():
        rolled.restore()


@pytest.fixture
def release(settled: Stack) -> Iterator[Callable[[str], None]]:
    """Replace web's image by a made-up release with further Dockerfile lines."""
    stack = settled
    image = f"{stack.project}-web:{stack.project}"
    docker("tag", image, f"{image}-kept")

    def build(lines: str) -> None:
        docker("build", "--tag", image, "-", text=f"FROM {image}-kept\n{lines}")

    yield build
    docker("tag", f"{image}-kept", image)
    docker("image", "rm", f"{image}-kept")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Print nginx's failed requests with a test failure.

    The containers are removed afterwards.
    """
    report = yield
    running = getattr(item, "funcargs", {}).get("stack")
    if report.when == "call" and report.failed and isinstance(running, Stack):
        report.sections.append(("nginx", "\n".join(_unanswered(running)[-40:])))
    return report


def _unanswered(stack: Stack) -> list[str]:
    """Return the requests that nginx could not answer, and its error log."""
    found = []
    for line in stack.logs("nginx").splitlines():
        if not line.startswith("{"):
            if "[error]" in line or "[warn]" in line:
                found.append(line)
        elif int(json.loads(line)["status"]) >= 500:
            found.append(line)
    return found
