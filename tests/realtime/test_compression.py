"""WS_COMPRESSION=1 compresses frames for clients that offer it."""

import asyncio
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection

from tests.conftest import StartServer
from tests.support.chat_client import ChatClient, create_room, sign_up

TEXT = "the same words again and again, " * 300


class Counted(ClientConnection):
    """A client's connection that counts received bytes."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.came = 0

    def data_received(self, data: bytes) -> None:
        self.came += len(data)
        super().data_received(data)


def came(client: ChatClient) -> int:
    assert isinstance(client.socket, Counted)
    return client.socket.came


@pytest.mark.once
async def test_frames_are_compressed_for_clients_that_offer_it(start_server: StartServer) -> None:
    server = start_server(WS_COMPRESSION="1")
    people = [await sign_up(server.base_url) for _ in range(2)]
    room = await create_room(server.base_url, people[0])
    async with (
        ChatClient(server.ws_url(), people[0], create_connection=Counted, compression="deflate") as small,
        ChatClient(server.ws_url(), people[1], create_connection=Counted, compression=None) as plain,
    ):
        await asyncio.gather(small.join(room), plain.join(room))
        before = came(small), came(plain)
        for writer, reader in ((small, plain), (plain, small)):
            await writer.send(room, TEXT)
            for one in (writer, reader):
                assert (await one.expect("message", timeout=30))["text"] == TEXT
        assert came(plain) - before[1] > 2 * len(TEXT)
        assert came(small) - before[0] < len(TEXT) / 2
        assert (await small.request("ping"))["type"] == "pong"
