"""The server without each of its features: it starts, and the core works.

An event of the feature keeps its place in the log.
"""

import asyncio
import json
import subprocess
import sys

import pytest

from config.features import FEATURES, name_of
from core.features import installed
from tests.conftest import StartServer
from tests.support.chat_client import ChatClient, Refused, create_room, sign_up
from tests.support.server import ROOT, base_environment

pytestmark = pytest.mark.once

NAMES = [name_of(package) for package in FEATURES]
# Settings, apps, routes, frames and documents of the API, as a worker loads them.
LOAD = """
import config.asgi
from config.api import api
from core.features import installed
api.get_openapi_schema()
print(installed().names)
"""
# Events of each kind that a feature brings, as a server with it has left them.
EVENTS = """
from django.utils import timezone
from chat.models import Event
from rooms.models import Membership, Room
room = Room.objects.get(slug={room!r})
author = Membership.objects.get(room=room).user_id
for seq, kind in enumerate({kinds!r}, room.head + 1):
    place = dict(room=room, seq=seq, kind=kind, author_id=author, key=f"k{{seq}}")
    Event.objects.create(**place, at=timezone.now(), data={{"secret": "sesame"}})
Room.objects.filter(id=room.id).update(head=room.head + {number})
"""


@pytest.mark.parametrize("name", NAMES)
def test_server_loads_without_each_feature(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    env = base_environment() | {
        "FEATURES_OFF": name,
        "PYTHONPATH": str(ROOT / "app"),
        "DATA_DIR": str(tmp_path_factory.mktemp("absent")),
    }
    done = subprocess.run(
        [sys.executable, "-c", LOAD], env=env, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"'{name}'" not in done.stdout.splitlines()[-1]


async def test_core_works_without_all_features(start_server: StartServer) -> None:
    kinds = [kind.name for feature in installed().features for kind in feature.events]
    frames = [handler.type for feature in installed().features for handler in feature.frames]
    server = start_server(FEATURES_OFF=",".join(NAMES))
    ada, bob = await sign_up(server.base_url), await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    async with ChatClient(server.ws_url(), ada) as mine, ChatClient(server.ws_url(), bob) as theirs:
        assert not set(mine.hello["features"]) & set(NAMES)
        await mine.send(room, "before")
        await asyncio.to_thread(server.shell, EVENTS.format(room=room, kinds=kinds, number=len(kinds)))
        page = await theirs.join(room)
        assert [event["text"] for event in page["events"]] == ["before"]
        events = await mine.catch_up(room, after=0)
        assert [event["seq"] for event in events] == list(range(1, len(kinds) + 2))
        assert "sesame" not in json.dumps(events)
        sent = await mine.send(room, "behind them")
        assert sent["seq"] == len(kinds) + 2
        assert (await theirs.expect("message", room=room))["text"] == "behind them"
        await theirs.request("message.react", room=room, target=sent["seq"], emoji="👍", on=True, key="up")
        await mine.expect("reaction", room=room)
        await mine.request("message.edit", room=room, target=sent["seq"], text="changed", key="edit")
        assert (await theirs.expect("message.edited", room=room))["text"] == "changed"
        history = await theirs.request("history", room=room, before=sent["seq"] + 1)
        assert [message["text"] for message in history["messages"]] == ["before", "changed"]
        for frame in frames:
            with pytest.raises(Refused, match="unknown_type"):
                await mine.request(frame, room=room)
