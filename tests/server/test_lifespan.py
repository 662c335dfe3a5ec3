"""A started worker runs on uvloop and leaves start-up objects out of collections."""

import gc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from asgiref.testing import ApplicationCommunicator
from django.conf import settings

from core import state
from server.lifespan import lifespan
from tests.support.server import Server

pytestmark = pytest.mark.once

WAIT_S = 30


@pytest.fixture
async def started(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Run the lifespan of this process and undo its effects."""
    monkeypatch.setattr(settings, "EMBEDDED", False)  # no background thread: it would change the tests' data
    monkeypatch.setattr(state, "draining", False)
    process = ApplicationCommunicator(lifespan, {"type": "lifespan"})
    try:
        await process.send_input({"type": "lifespan.startup"})
        assert await process.receive_output(WAIT_S) == {"type": "lifespan.startup.complete"}
        yield
        await process.send_input({"type": "lifespan.shutdown"})
        assert await process.receive_output(WAIT_S) == {"type": "lifespan.shutdown.complete"}
        await process.wait(WAIT_S)
    finally:
        gc.unfreeze()


async def test_start_up_objects_are_left_out_of_collections(started: None) -> None:
    assert gc.get_freeze_count() > 10_000
    assert gc.get_threshold() == (50_000, 20, 50)


def test_workers_run_on_uvloop(server: Server) -> None:
    # Only the server that runs on the library loads it.
    loaded = ["uvloop" in Path(f"/proc/{pid}/maps").read_text() for pid in server.process.members()]
    assert any(loaded)
