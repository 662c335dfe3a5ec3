"""Fixtures of the log's tests."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from django.conf import settings
from django.db import close_old_connections

import chat.group_commit
from db import database
from realtime.publish import LogEvent, RoomRef
from tests.chat.world import World
from tests.support.profile import profile as chosen

collect_ignore = [] if chosen.postgres else ["postgres"]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Rooms and a member who may write in them."""
    yield await database.run(World)
    # The database threads keep their connections; the test database could not be dropped under them.
    await asyncio.gather(*(database.run(close_old_connections) for _ in range(settings.DATABASE_THREADS)))


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[int]]:
    """Room → the seqs handed to the hub, in order.

    No hub is started here: it has tests elsewhere.
    """
    seen: dict[str, list[int]] = {}

    def log_events(room: RoomRef, events: list[LogEvent]) -> None:
        seen.setdefault(room.slug, []).extend(event.seq for event in events)

    monkeypatch.setattr(chat.group_commit, "log_events", log_events)
    return seen
