"""Features on two processes while one is killed and Redis restarts.

Polls, surveys, quizzes, chess, files, webhooks, mentions and the event stream are tested here.

The other features have a module of this name in their own folder. These have the log's promises, and share two processes.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.features.files.samples import picture
from tests.features.polls.test_poll_frames import POLL
from tests.features.quiz.test_quiz_frames import FIRST
from tests.features.stream.client import StreamClient, stream
from tests.features.surveys.test_survey_frames import SURVEY
from tests.realtime.across.conftest import Circle, Pair, circle_of, healthy, start_pair
from tests.support.api import anonymous, with_token
from tests.support.chat_client import ChatClient, Frame, sign_up
from tests.support.profile import Profile
from tests.support.server import Server

# Every committed event arrives within 5 s of the death of a process or Redis; the rest is for a busy machine.
REPAIR_S = 10.0
# From its beginning to the end of the poll.
CLOSES_S = 15


@pytest.fixture(scope="module")
def pair(profile: Profile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with ExitStack() as exits:
        yield start_pair(profile, exits, extra={"FILES_DIR": str(tmp_path_factory.mktemp("files"))})


@pytest.fixture
async def circle(pair: Pair) -> AsyncIterator[Circle]:
    async with AsyncExitStack() as exits:
        yield await circle_of(pair, exits)


class Things:
    """One thing of each feature, in a room with Ada and Bob.

    Ada began them on the first process. Bob has joined on the second.
    """

    def __init__(self, circle: Circle, here: ChatClient, there: ChatClient) -> None:
        self.circle, self.here, self.there, self.room = circle, here, there, circle.room
        self.seqs: dict[str, int] = {}
        self.moves = iter(("e2e4", "e7e5", "g1f3", "b8c6"))

    async def begin(self) -> None:
        closes_at = (datetime.now(UTC) + timedelta(seconds=CLOSES_S)).isoformat()
        self.seqs["poll"] = await self.ask(self.here, "poll.create", **POLL, closes_at=closes_at)
        self.seqs["survey"] = await self.ask(self.here, "survey.create", **SURVEY)
        self.seqs["chess"] = await self.ask(self.here, "chess.offer", seconds=600, increment=0)
        host = await self.circle.connect(self.circle.pair.two, await sign_up(self.circle.pair.two.base_url))
        questions = [FIRST | {"seconds": 60}]
        self.seqs["quiz"] = await self.ask(host, "quiz.create", title="Across", questions=questions)
        await self.ask(self.there, "chess.accept", target=self.seqs["chess"])
        await self.ask(host, "quiz.start", target=self.seqs["quiz"])
        async with with_token(self.circle.pair.one.base_url, self.circle.ada) as http:
            form = {"file": ("boat.png", picture(), "image/png")}
            self.file: Frame = (await http.post(f"/api/rooms/{self.room}/files", files=form)).json()
            made = await http.post(f"/api/rooms/{self.room}/hooks", json={"name": "CI"})
            self.hook = f"/api/hooks/{made.json()['token']}"

    async def ask(self, chat: ChatClient, type_: str, **fields: Any) -> int:
        reply = await chat.request(type_, room=self.room, key=secrets.token_hex(8), **fields)
        seq: int = reply["seq"]
        return seq

    async def amend(self, chat: ChatClient, choice: int) -> None:
        """Do one thing with each, all acknowledged."""
        await self.ask(chat, "poll.vote", target=self.seqs["poll"], choices=[choice])
        await self.ask(chat, "survey.answer", target=self.seqs["survey"], answers=[[choice], 4, "tea"])
        await self.ask(chat, "quiz.answer", target=self.seqs["quiz"], question=0, choice=choice)
        await self.ask(chat, "chess.move", target=self.seqs["chess"], move=next(self.moves))

    async def hears(self, chat: ChatClient | StreamClient, people: int, moves: int) -> None:
        """Wait for the actions of a number of people, in the state that the events carry."""
        wait = {"timeout": REPAIR_S} if isinstance(chat, ChatClient) else {}
        voted = await chat.expect("poll.voted", **wait)
        assert voted["state"]["voters"] == people
        assert (await chat.expect("survey.answered", **wait))["state"]["people"] == people
        assert (await chat.expect("quiz.answered", **wait))["state"]["answered"] == people
        assert len((await chat.expect("chess.moved", **wait))["state"]["moves"]) == moves


@pytest.fixture
async def things(circle: Circle) -> Things:
    found = Things(circle, await circle.here(), await circle.there())
    await found.begin()
    return found


@contextmanager
def killed(server: Server) -> Iterator[None]:
    """Kill a process for a while."""
    server.kill()
    try:
        yield
    finally:
        server.start()


async def test_killed_process_loses_nothing_it_acknowledged(things: Things, pair: Pair) -> None:
    room, bob = things.room, things.circle.bob
    files = [things.file["id"]]
    async with stream(pair.two.base_url, bob, room=room) as listening:
        await listening.expect("room.joined")
        await things.amend(things.here, 0)
        await things.ask(things.here, "message.send", text=f"@{bob.name} look", files=files)
        with killed(pair.one):
            for chat in (things.there, listening):
                await things.hears(chat, people=1, moves=1)
            message = await things.there.expect("message", text=f"@{bob.name} look", timeout=REPAIR_S)
            assert ([one["id"] for one in message["files"]], message["mentions"]) == (files, [bob.id])
            await things.amend(things.there, 1)
            for chat in (things.there, listening):
                await things.hears(chat, people=2, moves=2)
            async with with_token(pair.two.base_url, bob) as http, anonymous(pair.two.base_url) as program:
                assert (await http.get(things.file["url"])).content
                posted = await program.post(things.hook, json={"text": "Build 41 passed"})
                assert posted.status_code == httpx.codes.CREATED
            await listening.expect("message", text="Build 41 passed")
            # Its time is over while the process that it came to is away.
            closed = await things.there.expect("poll.closed", timeout=CLOSES_S + REPAIR_S)
            assert (closed["state"]["closed"], closed["state"]["tally"]) == (True, [1, 1, 0])


async def test_stream_of_a_killed_process_goes_on_at_another(circle: Circle, pair: Pair) -> None:
    here, there = await circle.here(), await circle.there()
    async with stream(pair.one.base_url, circle.bob, room=circle.room) as listening:
        await listening.expect("room.joined")
        await here.send(circle.room, "before")
        await listening.expect("message", text="before")
        cursor = listening.last_id
        with killed(pair.one):
            for number in range(3):
                await there.send(circle.room, f"while away {number}")
            async with stream(pair.two.base_url, circle.bob, last_id=cursor) as back:
                joined = await back.expect("room.joined", room=circle.room)
                assert [event["text"] for event in joined["events"]] == [f"while away {number}" for number in range(3)]
                await there.send(circle.room, "live again")
                await back.expect("message", text="live again")


async def test_changes_arrive_without_redis_and_at_once_with_it(things: Things, pair: Pair) -> None:
    async with stream(pair.two.base_url, things.circle.bob, room=things.room) as listening:
        await listening.expect("room.joined")
        pair.redis.kill()
        try:
            await things.amend(things.here, 0)
            async with anonymous(pair.one.base_url) as program:
                assert (await program.post(things.hook, json={"text": "Build 42"})).status_code == httpx.codes.CREATED
            for chat in (things.here, things.there, listening):
                await things.hears(chat, people=1, moves=1)
                await chat.expect("message", text="Build 42")
        finally:
            pair.redis.start()
        await healthy(pair)
        await things.amend(things.there, 1)
        await things.hears(things.here, people=2, moves=2)
        await things.hears(listening, people=2, moves=2)
