"""The server without polls: a poll keeps its place in the log, but is not shown."""

import asyncio
import json

import pytest

from tests.conftest import StartServer
from tests.support.chat_client import ChatClient, Frame, Refused, create_room, sign_up

pytestmark = pytest.mark.once

POLL: Frame = {"question": "Tea?", "options": ["yes", "no"], "multiple": False, "secret": True}


async def test_poll_keeps_its_place_while_polls_are_off(start_server: StartServer) -> None:
    server = start_server()
    ada = await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    async with ChatClient(server.ws_url(), ada) as chat:
        await chat.request("poll.create", room=room, key="poll", **POLL)
        await chat.request("poll.vote", room=room, key="vote", target=1, choices=[1])
        await chat.send(room, "after it")
    await asyncio.to_thread(server.stop)
    server.env["FEATURES_OFF"] = "polls,quiz"
    await asyncio.to_thread(server.start)
    async with ChatClient(server.ws_url(), ada) as chat:
        assert not {"polls", "quiz"} & set(chat.hello["features"])
        events = await chat.catch_up(room, after=0)
        assert [event["seq"] for event in events] == [1, 2, 3]
        assert "Tea?" not in json.dumps(events)
        assert "choices" not in json.dumps(events)
        assert events[1]["from"] == {"id": 0, "name": ""}, "the vote is secret"
        with pytest.raises(Refused, match="unknown_type"):
            await chat.request("poll.create", room=room, key="other", **POLL)
        assert (await chat.send(room, "next"))["seq"] == 4
