"""The server without search: messages are stored, and found once it is back."""

import asyncio

import pytest

from tests.conftest import StartServer
from tests.features.search.test_search import found
from tests.support.api import with_token
from tests.support.chat_client import ChatClient, Refused, create_room, sign_up


async def test_messages_from_while_search_was_off_are_found(start_server: StartServer) -> None:
    server = start_server(FEATURES_OFF="search")
    ada = await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    async with ChatClient(server.ws_url(), ada) as chat:
        assert "search" not in chat.hello["features"]
        await chat.send(room, "a walrus")
        await chat.send(room, "another")
        await chat.request("message.edit", room=room, target=2, text="two walruses", key="e")
        with pytest.raises(Refused, match="unknown_type"):
            await chat.request("search", query="walrus")
    async with with_token(server.base_url, ada) as http:
        assert (await http.get("/api/search", params={"query": "walrus"})).status_code == 404
    await asyncio.to_thread(server.stop)
    del server.env["FEATURES_OFF"]
    await asyncio.to_thread(server.start)
    async with ChatClient(server.ws_url(), ada) as chat:
        assert "search" in chat.hello["features"]
        assert await found(chat, "walrus", room=room) == ["a [walrus]", "two [walrus]es"]
