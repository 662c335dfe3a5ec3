"""One stack for all runbooks, in a git checkout with an operator's .env."""

import secrets
import shutil
import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.runbooks.book import PAGES, ROOT, Book
from tests.stack.rolling import docker
from tests.stack.stack import Stack, copy_checkout
from tests.support.ports import free_port

SECRETS = ("SECRET_KEY", "POSTGRES_PASSWORD", "POSTGRES_OWNER_PASSWORD", "REDIS_PASSWORD", "ARCHIVE_CIPHER_PASS")
KEPT = ("PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG")


def git(directory: Path, *arguments: str) -> None:
    who = ["-c", "user.name=Hubbub", "-c", "user.email=team@hubbub.example", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *arguments], cwd=directory, check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Start a stack with `make up`, with the settings in .env alone.

    It has one web container, an archive of the database, and release v0.1.0 with origin/main beside it.
    """
    directory = tmp_path_factory.mktemp("runbooks") / "hubbub"
    directory.mkdir()
    copy_checkout(directory)
    for name in ("Makefile", ".gitignore"):
        shutil.copy2(ROOT / name, directory / name)
    stack = Stack(directory)
    stack.env = {name: value for name, value in stack.env.items() if name in KEPT}
    settings = {name: secrets.token_urlsafe(32) for name in SECRETS}
    settings |= {"COMPOSE_PROJECT_NAME": stack.project, "HTTP_PORT": str(stack.port), "HTTPS_PORT": str(free_port())}
    settings |= {"IMAGE_TAG": stack.project, "DRAIN_SECONDS": "3", "LIMIT_SIGNUPS_PER_H": "0", "LIMIT_MESSAGES_PER_S": "0"}
    settings["ARCHIVE_DAYS"] = "2"
    settings["LIMIT_HANDSHAKES_PER_S"] = "15"  # so few that a storm is cheap
    (directory / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    (directory / "pyproject.toml").write_text('version = "0.1.0"\n')
    git(directory, "init", "--initial-branch=main")
    git(directory, "add", ".")
    git(directory, "commit", "--message=release")
    git(directory, "tag", "v0.1.0")
    git(directory.parent, "clone", "--bare", str(directory), "origin.git")
    git(directory, "remote", "add", "origin", str(directory.parent / "origin.git"))
    git(directory, "fetch")
    git(directory, "branch", "--set-upstream-to=origin/main")
    try:
        stack.up()
        yield stack
    finally:
        stack.remove()
        docker("image", "rm", "--force", f"{stack.project}-archive:{stack.project}")


@pytest.fixture
def book(request: pytest.FixtureRequest, site: Stack) -> Generator[Book]:
    """The page that the test is named after.

    All its commands for compose must have been run at the end, and the stack still has the files that .env asks for.
    """
    page = PAGES[request.node.originalname.removeprefix("test_").replace("_", "-")]
    opened = Book(page, site.directory, site.env)
    yield opened
    if getattr(request.node, "passed", False):
        assert opened.not_run() == []
        (postgres,) = site.containers("postgres")
        assert "-archive:" in postgres["Config"]["Image"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let the fixture know whether the test passed."""
    report = yield
    if report.when == "call":
        item.passed = report.passed  # type: ignore[attr-defined]
    return report
