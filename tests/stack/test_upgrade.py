"""scripts/roll upgrades the stack of an earlier version while people chat.

Two people in browsers begin on its schema and page.

From the tree before the layers, and from the last release: a roll goes one release at a time (docs/upgrading.md). The schemas
of all releases are in tests/ops/postgres/test_released_schemas.py.
"""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, expect
from playwright.sync_api import Error as PageError

from tests.browser.bot import Bot
from tests.browser.conftest import shared_chromium
from tests.browser.person import Person
from tests.stack.stack import Stack, clear_checkout, copy_checkout
from tests.support.ledger import Entry, log_faults, view_faults
from tests.support.releases import extract, versions

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1500)]

VERSIONS = versions()
PAUSE_MS = 600
# A roll ends sockets and replaces nginx. Chromium drops its loads whenever Docker makes a network.
TOLERATED = ("WebSocket", "Failed to load resource", "ERR_")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Provide Chromium until the end of this module.

    The tests after it have an event loop of their own.
    """
    yield shared_chromium.enter()
    shared_chromium.leave()


@pytest.fixture(scope="module", params=sorted({VERSIONS[0], VERSIONS[-1]}))
def old_stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two web replicas, from `make up` in the old tree."""
    directory = tmp_path_factory.mktemp("upgrade")
    extract(request.param, directory)
    running = Stack(directory)
    try:
        running.up()
        yield running
    finally:
        running.remove()


class Chat:
    """Ada and Bob in one room, each with a second browser.

    The second browser is in a room that the other person does not look at.
    """

    def __init__(self, stack: Stack, browser: Browser, exits: ExitStack) -> None:
        self._open = exits
        self._start = (browser, stack.url)
        with Bot(stack.url) as owner:
            self.talk, self.for_ada, self.for_bob = (owner.make_room(title) for title in ("Talk", "For Ada", "For Bob"))
        self.ada, self.bob = self._person("Ada"), self._person("Bob")
        for person in (self.ada, self.bob):
            person.sign_up()
            for room in (self.for_ada, self.for_bob, self.talk):
                person.open(room)
        self.writers = [(self.ada, self.talk), (self.bob, self.talk)]
        for person, room in ((self.ada, self.for_bob), (self.bob, self.for_ada)):
            elsewhere = self._person(person.name, exact_name=True)
            elsewhere.sign_in()
            elsewhere.open(room)
            self.writers.append((elsewhere, room))
        self.said: dict[str, list[str]] = {room: [] for _, room in self.writers}

    def _person(self, name: str, *, exact_name: bool = False) -> Person:
        person = Person(*self._start, name, exact_name=exact_name)
        self._open.callback(person.close)
        person.tolerate(*TOLERATED)
        return person

    def speak(self) -> None:
        """Let all four write one message."""
        for person, room in self.writers:
            text = f"{person.name} says {len(self.said[room]) + 1}"
            person.say(text)
            self.said[room].append(text)
            person.page.wait_for_timeout(PAUSE_MS)

    def hold_to_the_logs(self, *, shown_from: int | None = 1) -> None:
        """Check that each log has each message once, in its author's order.

        Each page must show its room's log.

        A page that was loaded anew shows the end of it, from any seq on: None.
        """
        for person, _ in self.writers:
            person.all_sent()
        for room, said in self.said.items():
            with Bot(self._start[1]) as newcomer:
                newcomer.join(room)
                events = newcomer.messages(room)
            log = [Entry(room, event["from"]["id"], event["text"], event["seq"]) for event in events]
            faults = [*log_faults(room, log)]
            for name in (self.ada.name, self.bob.name):
                stored = [entry.key for entry in log if entry.key.startswith(name)]
                assert stored == [text for text in said if text.startswith(name)], f"{name} in {room}"
            contents: dict[int, object] = {entry.seq: entry.key for entry in log}
            for person in (one for one, its_room in self.writers if its_room == room):
                expect(person.rows.last).to_have_attribute("data-seq", str(len(log)))
                shown = list(zip(person.seqs(), person.texts(), strict=True))
                first = shown_from or shown[0][0]
                faults += view_faults(person.name, room, shown, {seq: text for seq, text in contents.items() if seq >= first})
            assert not faults, "\n".join(faults)


@pytest.mark.drill
def test_two_people_lose_nothing_in_the_upgrade(old_stack: Stack, browser: Browser) -> None:
    stack = old_stack
    with ExitStack() as exits:
        chat = Chat(stack, browser, exits)
        for _ in range(3):
            chat.speak()
        assert not lacking(stack)
        old = {container["Id"] for container in stack.containers("web")}
        clear_checkout(stack.directory)
        copy_checkout(stack.directory)
        written = stack.script("up", "--secrets")
        assert written.returncode == 0, written.stderr
        built = stack.compose("build", "web", "nginx", timeout=900)
        assert built.returncode == 0, built.stderr
        before = len(chat.said[chat.talk])
        with ThreadPoolExecutor(1) as pool:
            rolling = pool.submit(stack.script, "roll")
            while not rolling.done():
                chat.speak()
        assert rolling.result().returncode == 0, rolling.result().stderr
        assert not lacking(stack), "the schema lacks a migration of the new version"
        assert old.isdisjoint(container["Id"] for container in stack.containers("web"))
        assert len(chat.said[chat.talk]) > before + 6, "they talked meanwhile"
        chat.speak()
        chat.hold_to_the_logs()
        assert_unread(chat.ada, "For Ada", len(chat.said[chat.for_ada]))
        assert_unread(chat.bob, "For Bob", len(chat.said[chat.for_bob]))
        # The page of the new version.
        for person, _ in chat.writers:
            reload(person)
        assert_unread(chat.ada, "For Ada", len(chat.said[chat.for_ada]))
        assert_unread(chat.bob, "For Bob", len(chat.said[chat.for_bob]))
        chat.speak()
        chat.hold_to_the_logs(shown_from=None)
        for person, title, other in ((chat.ada, "For Ada", "For Bob"), (chat.bob, "For Bob", "For Ada")):
            person.side_link(title).click()
            expect(person.messages).to_contain_text("says 1")
            person.rows.last.scroll_into_view_if_needed()
            assert_unread(person, title, 0)
            assert_unread(person, other, 0)
            assert_unread(person, "Talk", 0)
        assert not [fault for person, _ in chat.writers for fault in person.complaints()]


MIGRATIONS = """
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
import json
executor = MigrationExecutor(connection)
print(json.dumps([str(migration) for migration, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]))
"""


def lacking(stack: Stack) -> list[str]:
    """Return the migrations of the version that serves which are not applied."""
    answer = stack.exec("web", "python", "app/manage.py", "shell", "-c", MIGRATIONS)
    assert answer.returncode == 0, answer.stderr
    found: list[str] = json.loads(answer.stdout.splitlines()[-1])
    return found


def reload(person: Person) -> None:
    """Load the page anew; repeat a load that a network change interrupted.

    Docker makes networks meanwhile. Such a change may also interrupt the load of one of the page's files.
    """
    failures: list[str] = []
    person.page.on("requestfailed", lambda request: failures.append(request.failure or ""))
    for _ in range(10):
        failures.clear()
        try:
            person.page.reload()
            expect(person.status).to_have_text("Connected")
        except PageError:
            person.page.wait_for_timeout(500)
        except AssertionError:
            if not any("ERR_NETWORK_CHANGED" in failure for failure in failures):
                raise
        else:
            return
    raise AssertionError(f"the page of {person.name} does not load: {failures}")


def assert_unread(person: Person, title: str, count: int) -> None:
    link = person.side_link(title)
    if count:
        expect(link).to_contain_text(re.compile(rf"\b{count} new messages?"))
    else:
        expect(link).not_to_contain_text("new message")
