"""A server with a push service and its background worker.

The pages of its people record their notifications.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import CHROMIUM, NewPerson, shared_chromium
from tests.browser.person import Person
from tests.features.notifications.pages import Watched, ready
from tests.features.notifications.push_service import PushService, push_service
from tests.support.processes import Process
from tests.support.profile import Profile
from tests.support.profile import profile as chosen
from tests.support.server import ROOT, Server

# The embedded profile has one process.
collect_ignore = [] if chosen.redis else ["test_across.py"]
WATCHED = Path(__file__).with_name("watched.js").read_text()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Provide a Chromium that shows notifications."""
    yield shared_chromium.enter(CHROMIUM)
    shared_chromium.leave(CHROMIUM)


# Messages, and 101 reactions to the last one, in one commit: no sweep comes in between.
BURY = """
from django.db import transaction
from django.utils import timezone
from chat.models import Event
from rooms.models import Room
with transaction.atomic():
    room = Room.objects.select_for_update().get(slug={room!r})
    fields = {{"room": room, "author_id": {author}, "at": timezone.now()}}
    rows = [
        Event(**fields, seq=room.head + step, key=f"b{{room.head + step}}", text=text, uncounted=room.uncounted)
        for step, text in enumerate({texts!r}, 1)
    ]
    last = rows[-1].seq
    rows += [
        Event(
            **fields, seq=last + step, key=f"b{{last + step}}", kind="reaction", target=last,
            data={{"emoji": "x", "on": step % 2 == 1}}, uncounted=room.uncounted + step,
        )
        for step in range(1, 102)
    ]
    Event.objects.bulk_create(rows)
    room.head, room.uncounted, room.last_at = rows[-1].seq, rows[-1].uncounted, timezone.now()
    room.save()
"""


class Installation:
    """A server and its background worker: a thread of it in the embedded run."""

    def __init__(self, profile: Profile, env: dict[str, str]) -> None:
        self.profile = profile
        self.server = Server(profile, {"PUSH_LOOPBACK": "1", "PUSH_AFTER_S": "1", **env})
        self.worker: Process | None = None

    def start(self) -> None:
        self.server.start()
        self.start_worker()

    def start_worker(self) -> None:
        if self.profile.postgres is not None:
            command = [sys.executable, str(ROOT / "app" / "manage.py"), "worker"]
            env = self.server.env | {"PUBLIC_URL": self.server.base_url}
            self.worker = Process(command, env=env, log=self.server.data_dir / "worker.log", cwd=ROOT)

    def bury(self, room: str, author: int, *texts: str) -> None:
        """Store messages, and 101 reactions to the last one."""
        self.server.shell(BURY.format(room=room, author=author, texts=list(texts)))

    def kill(self) -> None:
        """Kill all processes, as a power cut does."""
        if self.worker is not None:
            self.worker.kill()
        self.server.kill()

    def close(self) -> None:
        if self.worker is not None:
            self.worker.kill()
        self.server.close()


@pytest.fixture(scope="module")
def installation(profile: Profile) -> Iterator[Installation]:
    found = Installation(profile, {})
    try:
        found.start()
        yield found
    finally:
        found.close()


@pytest.fixture
def service() -> Iterator[PushService]:
    with push_service() as found:
        yield found


@pytest.fixture
def watched(person: NewPerson) -> Watched:
    """Make a person whose pages record their notifications.

    `of`: another device of the same person.
    """

    def make(name: str = "Ada", *, of: Person | None = None, allowed: bool = True, script: str = "", **options: Any) -> Person:
        one = person(of.name if of else name, signed_up=False, exact_name=of is not None, **options)
        one.context.add_init_script(WATCHED + script)
        if allowed:
            one.context.grant_permissions(["notifications"])
        if of:
            one.sign_in()
        else:
            one.arrive()
        expect(one.status).to_have_text("Connected")
        ready(one)
        return one

    return make
