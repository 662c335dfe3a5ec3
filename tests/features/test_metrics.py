"""Each feature counts its work."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from time import monotonic
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import Connect
from tests.features.files.samples import picture
from tests.features.notes.editor import Editor
from tests.features.polls.test_poll_frames import POLL
from tests.features.quiz.test_quiz_frames import FIRST
from tests.features.stream.client import stream
from tests.features.surveys.test_survey_frames import SURVEY
from tests.support.api import anonymous, with_token
from tests.support.chat_client import Account, ChatClient
from tests.support.server import Server

Figures = dict[tuple[str, str], float]
KINDS = ("poll", "poll.voted", "survey", "quiz", "chess", "note", "location", "reaction")
LISTS = ("people", "polls", "notes", "sensors")
# Metrics that grow when everything is done once: the name, and the value of the only label that matters.
GROWN = {
    *(("hubbub_events_of_kind_total", kind) for kind in KINDS),
    *(("hubbub_list_filter_seconds_count", name) for name in LISTS),
    ("hubbub_file_uploads_total", "stored"),
    ("hubbub_location_updates_total", ""),
    ("hubbub_note_store_seconds_count", ""),
    ("hubbub_notify_total", "sent"),
    ("hubbub_note_updates_total", "stored"),
    ("hubbub_search_seconds_count", ""),
    ("hubbub_sensor_batch_readings_count", ""),
    ("hubbub_sensor_readings_total", ""),
    ("hubbub_sockets", "stream"),
    ("hubbub_webhook_messages_total", ""),
}


def samples(text: str) -> Iterator[tuple[str, str, float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = {name: value for name, value in sample.labels.items() if name != "pid"}
            yield sample.name, next(iter(labels.values()), ""), sample.value


async def figures(server: Server) -> Figures:
    found: Figures = {}
    async with httpx.AsyncClient(base_url=server.base_url) as http:
        for name, label, value in samples((await http.get("/metrics")).text):
            found[name, label] = found.get((name, label), 0) + value
    return found


async def unchanged(server: Server, before: Figures) -> set[tuple[str, str]]:
    after = await figures(server)
    return {one for one in GROWN if after.get(one, 0) <= before.get(one, 0)}


async def do_everything_once(server: Server, chat: ChatClient, ada: Account, room: str) -> None:
    async def ask(type_: str, **fields: Any) -> int:
        return int((await chat.request(type_, room=room, key=secrets.token_hex(8), **fields))["seq"])

    poll = await ask("poll.create", **POLL)
    await ask("poll.vote", target=poll, choices=[0])
    await ask("survey.create", **SURVEY)
    await ask("quiz.create", title="Counted", questions=[FIRST])
    await ask("chess.offer", seconds=60, increment=0)
    note = await ask("note.create", title="Counted")
    editor = Editor(chat, room, note)
    await editor.open()
    editor.write("counted")
    await editor.flush()
    share = await ask("location.share", seconds=60)
    await chat.request("location.update", room=room, latitude=1, longitude=2)
    await ask("location.stop", target=share)
    await chat.request("sensor.push", room=room, readings=[{"sensor_id": "counted", "value": 1}])
    said = (await chat.send(room, "counted"))["seq"]
    await ask("message.react", target=said, emoji="👍", on=True)
    await chat.request("search", query="counted", room=room)
    for name in LISTS:
        await chat.request("list.filter", room=room, list=name, query="")
    async with with_token(server.base_url, ada) as http, anonymous(server.base_url) as program:
        form = {"file": ("boat.png", picture(), "image/png")}
        (await http.post(f"/api/rooms/{room}/files", files=form)).raise_for_status()
        hook = (await http.post(f"/api/rooms/{room}/hooks", json={"name": "CI"})).json()["token"]
        (await program.post(f"/api/hooks/{hook}", json={"text": "counted"})).raise_for_status()


async def test_features_count_what_they_do(server: Server, connect: Connect, ada: Account, bob: Account, room: str) -> None:
    chat, other = await connect(ada), await connect(bob)
    for one in (chat, other):
        await one.join(room)
    before = await figures(server)
    async with stream(server.base_url, ada, room=room) as listening:
        await listening.expect("room.joined")
        await do_everything_once(server, chat, ada, room)
        await chat.send(room, f"@{bob.name} look")
        await other.expect("notify")
        deadline = monotonic() + 15
        # Some count after the answer: what is stored in batches, and what another worker writes down once a second.
        while still := await unchanged(server, before):
            assert monotonic() < deadline, still
            await asyncio.sleep(0.2)
