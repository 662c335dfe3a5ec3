"""A real server, a built front end and Debian's Chromium for tests of the page."""

import fcntl
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.bot import Bot
from tests.browser.person import Person
from tests.support.cable import Cable
from tests.support.front_end import ensure_built
from tests.support.profile import Profile
from tests.support.server import Server, base_environment, manage

CHROMIUM = "/usr/bin/chromium"
# The same engine without the browser's own windows, which take a third of the processor time. It shows no notifications.
HEADLESS_SHELL = "/usr/bin/chromium-headless-shell"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

NewPerson = Callable[..., Person]
StartSite = Callable[..., Server]


@pytest.fixture(scope="session")
def static_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The front end, built from the present sources, as WhiteNoise serves it.

    Compressing it takes long: once a run.
    """
    run = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        run = run.parent
    root, made = run / "static", run / "static.made"
    with (run / "static.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            ensure_built()
            environment = {"DATA_DIR": str(tmp_path_factory.mktemp("collect")), "STATIC_ROOT": str(root)}
            manage("collectstatic", "--no-input", "--verbosity", "0", env=base_environment() | environment)
            made.touch()
    return root


@pytest.fixture(scope="session")
def one_cable() -> Iterator[Cable]:
    with Cable() as line:
        yield line


@pytest.fixture
def cable(one_cable: Cable) -> Iterator[Cable]:
    """Provide a line to the server that a test can cut.

    It is whole again after each test, whether the test passed or failed.
    """
    yield one_cable
    one_cable.mend()
    one_cable.slow(None)


@pytest.fixture(scope="session")
def site(profile: Profile, static_files: Path, one_cable: Cable) -> Iterator[Server]:
    """One server for all browser tests, reached directly or through the cable."""
    with ExitStack() as exits:
        settings = {"STATIC_ROOT": str(static_files), "ALLOWED_ORIGINS": one_cable.url, "LIMIT_MESSAGES_PER_S": "0"}
        server = Server(profile, settings)
        exits.callback(server.close)
        server.start()
        one_cable.connect_to(server.port)
        yield server


@pytest.fixture
def start_site(profile: Profile, static_files: Path) -> Iterator[StartSite]:
    """Start a server of this test alone, which it may stop.

    It may have settings: `start_site(SIGNUP_OPEN="False")`.
    """
    with ExitStack() as exits:

        def start(**settings: str) -> Server:
            server = Server(profile, {"STATIC_ROOT": str(static_files), **settings})
            exits.callback(server.close)
            server.start()
            return server

        yield start


class _Chromium:
    """One browser of each program for each process.

    Several conftests have the fixture below, and Playwright starts once.
    """

    def __init__(self) -> None:
        self._users: Counter[str] = Counter()
        self._browsers: dict[str, Browser] = {}

    def enter(self, program: str = HEADLESS_SHELL) -> Browser:
        if not self._users.total():
            self._playwright = sync_playwright().start()
        self._users[program] += 1
        if program not in self._browsers:
            self._browsers[program] = self._playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        return self._browsers[program]

    def leave(self, program: str = HEADLESS_SHELL) -> None:
        self._users[program] -= 1
        if not self._users[program]:
            self._browsers.pop(program).close()
        if not self._users.total():
            self._playwright.stop()


shared_chromium = _Chromium()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    yield shared_chromium.enter()
    shared_chromium.leave()


@pytest.fixture
def person(browser: Browser, site: Server) -> Iterator[NewPerson]:
    """Make people with a browser of their own, as in `ada = person("Ada")`.

    `ada` has signed up; `person(signed_up=False)` has not.

    `person("Ada", room=room)` has opened the room, too: one page less to load.

    At the end of the test nothing may have gone wrong in any of their pages that the test did not expect.
    """
    people: list[Person] = []

    def make(
        name: str = "Ada", *, base_url: str | None = None, signed_up: bool = True, room: str | None = None, **options: Any
    ) -> Person:
        one = Person(browser, base_url or site.base_url, name, **options)
        people.append(one)
        if signed_up:
            one.arrive(room=room)
        return one

    yield make
    complaints = {one.name: one.complaints() for one in people}
    for one in people:
        one.close()
    assert not any(complaints.values()), complaints


@pytest.fixture
def bot(site: Server) -> Iterator[Bot]:
    """Somebody who needs no browser: makes rooms and fills them."""
    with Bot(site.base_url) as one:
        yield one
