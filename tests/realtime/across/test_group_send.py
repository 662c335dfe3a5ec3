"""`group_send` of another process reaches the consumers of features."""

import asyncio
from contextlib import ExitStack

import httpx

from tests.realtime.across.conftest import start_pair
from tests.support.chat_client import sign_up
from tests.support.plain_socket import PlainSocket
from tests.support.profile import Profile
from tests.support.samples import SAMPLES
from tests.support.server import manage


async def test_command_and_view_elsewhere_reach_a_consumer(profile: Profile) -> None:
    with ExitStack() as exits:
        pair = start_pair(profile, exits, extra=SAMPLES)
        ada = await sign_up(pair.one.base_url)
        async with PlainSocket(pair.one.ws_url("/ws/tutorial/far/"), headers=ada.headers) as socket:
            await socket.send_json({"message": "from here"})
            assert await socket.receive_json() == {"message": "from here"}
            await asyncio.to_thread(manage, "say", "far", "from a command", env=pair.one.env)
            assert await socket.receive_json() == {"message": "from a command"}
            async with httpx.AsyncClient(base_url=pair.two.base_url) as http:
                assert (await http.get("/tutorial/far/from_a_view/")).text == "said"
            assert await socket.receive_json() == {"message": "from_a_view"}
