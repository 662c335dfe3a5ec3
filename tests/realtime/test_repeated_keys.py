"""When the log is asked for the key of a refused frame."""

import json
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from core.errors import BadFrame, FrameRefused, NoSuchTarget, NotAMember, RateLimited, TooLong, Unavailable
from db.database import DatabaseUnavailable
from realtime.events import Person
from realtime.send_queue import Batch
from realtime.socket import Socket
from tests.realtime.test_presence_model import Seen, World

STORED = {"type": "stored", "room": "r", "seq": 3, "duplicate": True}


class Durable(msgspec.Struct, tag="durable"):
    key: str = "k"


class Passing(msgspec.Struct, tag="passing"):
    pass


class Log(Seen):
    """A send queue that keeps all frames, and the answer of the log."""

    def __init__(self, answer: dict[str, Any] | Exception | None) -> None:
        super().__init__()
        self.answer = answer
        self.frames: list[dict[str, Any]] = []
        self.asked: list[str] = []

    def push(self, batch: Batch) -> bool:
        self.frames += map(json.loads, batch.texts)
        return True

    async def stored_before(self, _user: int, frame: Durable) -> dict[str, Any] | None:
        self.asked.append(frame.key)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer and dict(self.answer)


async def finish(patch: pytest.MonkeyPatch, log: Log, frame: msgspec.Struct, refusal: FrameRefused) -> dict[str, Any]:
    """Refuse a frame after a wait; return what its sender gets."""
    socket = Socket(World(patch).hubs[0], Person(1, "user-1"), "", log)
    patch.setattr("realtime.session.domains", lambda: SimpleNamespace(stored_before=log.stored_before))

    async def refused() -> None:
        raise refusal

    await socket._finish(7, frame, refused())
    (found,) = log.frames
    return found


@pytest.mark.parametrize("refusal", [NoSuchTarget("gone"), BadFrame("taken")])
async def test_stored_key_is_answered_after_a_refused_look_up(monkeypatch: pytest.MonkeyPatch, refusal: FrameRefused) -> None:
    log = Log(STORED)
    assert await finish(monkeypatch, log, Durable(), refusal) == STORED | {"re": 7}
    assert log.asked == ["k"]


async def test_unknown_key_is_refused_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(None)
    assert (await finish(monkeypatch, log, Durable(), NoSuchTarget("gone")))["code"] == "no_such_target"
    assert log.asked == ["k"]


async def test_outcome_is_unknown_while_the_log_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(DatabaseUnavailable())
    assert (await finish(monkeypatch, log, Durable(), NoSuchTarget("gone")))["code"] == "unavailable"


@pytest.mark.parametrize("refusal", [NotAMember("no"), RateLimited("no"), TooLong("no"), Unavailable("no")])
async def test_log_is_not_asked_where_the_first_was_refused(monkeypatch: pytest.MonkeyPatch, refusal: FrameRefused) -> None:
    log = Log(STORED)
    assert (await finish(monkeypatch, log, Durable(), refusal))["code"] == refusal.code
    assert log.asked == []


async def test_log_is_not_asked_for_a_frame_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(STORED)
    assert (await finish(monkeypatch, log, Passing(), NoSuchTarget("gone")))["code"] == "no_such_target"
    assert log.asked == []
