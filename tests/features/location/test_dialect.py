"""/ws/location/: latitude and longitude in and out, in the lobby."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from tests.conftest import Connect, StartServer
from tests.docs.contract import matching
from tests.support.api import signed_in
from tests.support.chat_client import Account, ChatClient, sign_up
from tests.support.plain_socket import PlainSocket
from tests.support.server import Server

PLACE = {"latitude": 1.5, "longitude": 2.5}


@pytest.fixture
async def plain(server: Server) -> AsyncIterator[Any]:
    async with AsyncExitStack() as exits:

        async def one(account: Account | None, path: str = "/ws/location/") -> PlainSocket:
            headers = account.headers if account else {}
            return await exits.enter_async_context(PlainSocket(server.ws_url(path), headers=headers))

        yield one


async def place_of(socket: PlainSocket, account: Account) -> dict[str, Any]:
    """Return the next place of a person; the lobby is shared."""
    while (place := await socket.receive_json())["user"] != account.name:
        pass
    assert [message.name for message in matching("location", "send", json.dumps(place))] == ["out"]
    return place


async def test_places_reach_simple_and_native_clients(server: Server, plain: Any, connect: Connect) -> None:
    ada, bob = await sign_up(server.base_url), await sign_up(server.base_url)
    native = await connect(bob)
    await native.join("lobby")
    mine, theirs = await plain(ada), await plain(bob, "/ws/location")
    assert [message.name for message in matching("location", "receive", json.dumps(PLACE))] == ["in"]
    await mine.send_json(PLACE)
    for socket in (mine, theirs):
        assert await place_of(socket, ada) == PLACE | {"user": ada.name}
    begun = await native.expect("location")
    assert (begun["from"]["id"], begun["ended"]) == (ada.id, False)
    live = await native.expect("live", topic="location")
    assert live["values"][0]["value"] == PLACE | {"accuracy": None}
    late = await plain(bob)
    assert await place_of(late, ada) == PLACE | {"user": ada.name}

    await mine.send_json(PLACE | {"latitude": 3})
    assert (await place_of(late, ada))["latitude"] == 3
    await mine.socket.close()
    assert (await native.expect("location.ended"))["target"] == begun["seq"]
    assert await place_of(late, ada) == {"latitude": None, "longitude": None, "user": ada.name}


async def test_share_of_the_page_is_used_and_kept(server: Server, plain: Any, connect: Connect) -> None:
    ada = await sign_up(server.base_url)
    native = await connect(ada)
    await native.join("lobby")
    seq = (await native.request("location.share", room="lobby", key="k", seconds=60))["seq"]
    socket = await plain(ada)
    await socket.send_json(PLACE)
    assert (await native.expect("live", topic="location"))["values"][0]["key"] == str(seq)
    await socket.socket.close()
    await native.request("location.update", room="lobby", **PLACE)
    await native.expect_nothing("location.ended", seconds=1, target=seq)
    await native.request("location.stop", room="lobby", target=seq, key="l")


async def test_closing_a_tab_ends_no_share_of_another(server: Server, plain: Any, connect: Connect) -> None:
    ada = await sign_up(server.base_url)
    native = await connect(await sign_up(server.base_url))
    await native.join("lobby")
    sending, watching = await plain(ada), await plain(ada)
    await sending.send_json(PLACE)
    begun = await native.expect("location")
    assert await place_of(watching, ada) == PLACE | {"user": ada.name}
    await watching.socket.close()
    await native.expect_nothing("location.ended", seconds=1, target=begun["seq"])
    await sending.send_json(PLACE | {"latitude": 3})
    assert await place_of(sending, ada) == PLACE | {"user": ada.name}
    assert (await place_of(sending, ada))["latitude"] == 3
    await sending.socket.close()
    await native.expect("location.ended", target=begun["seq"])


async def test_tab_that_sends_ends_no_share_of_one_beside_it(start_server: StartServer) -> None:
    """One process; test_across.py has two."""
    server = start_server(WEB_CONCURRENCY="1")
    ada, bob = await sign_up(server.base_url), await sign_up(server.base_url)
    async with AsyncExitStack() as exits:
        native = await exits.enter_async_context(ChatClient(server.ws_url(), bob))
        await native.join("lobby")
        tabs = [PlainSocket(server.ws_url("/ws/location/"), headers=ada.headers) for _ in range(2)]
        sending, also = [await exits.enter_async_context(tab) for tab in tabs]
        await sending.send_json(PLACE)
        begun = await native.expect("location")
        await also.send_json(PLACE | {"latitude": 4})
        while (await place_of(sending, ada))["latitude"] != 4:
            pass
        await also.socket.close()
        await native.expect_nothing("location.ended", seconds=1, target=begun["seq"])
        await sending.socket.close()
        await native.expect("location.ended", target=begun["seq"])


async def test_client_that_comes_back_ends_its_lost_sockets_share(server: Server, plain: Any, connect: Connect) -> None:
    ada = await sign_up(server.base_url)
    native = await connect(await sign_up(server.base_url))
    await native.join("lobby")
    lost = await plain(ada)
    await lost.send_json(PLACE)
    begun = await native.expect("location")
    lost.socket.transport.abort()
    back = await plain(ada)
    await native.expect_nothing("location.ended", seconds=1, target=begun["seq"])
    await back.send_json(PLACE | {"latitude": 3})
    while (await place_of(back, ada))["latitude"] != 3:
        pass
    await back.socket.close()
    await native.expect("location.ended", target=begun["seq"])


@pytest.mark.parametrize(
    "text", ["hello", "7", "[]", "{}", '{"latitude": 1}', '{"latitude": 91, "longitude": 0}', '{"latitude": NaN}']
)
async def test_invalid_line_is_answered_with_an_error(server: Server, plain: Any, text: str) -> None:
    socket = await plain(await sign_up(server.base_url))
    await socket.send(text)
    while "error" not in (answer := await socket.receive_json()):
        pass
    assert answer["code"] in {"bad_json", "bad_frame"}
    assert [message.name for message in matching("location", "send", json.dumps(answer))] == ["refused"]


async def test_credentials_are_required(plain: Any, server: Server) -> None:
    await (await plain(None)).expect_close(4001)
    await (await plain(None, "/ws/location/?token=bad")).expect_close(4003)


async def test_page_is_one_file_with_its_script(server: Server) -> None:
    async with httpx.AsyncClient(base_url=server.base_url) as http:
        assert (await http.get("/demo/location/")).status_code == httpx.codes.FOUND
        await signed_in(http, await sign_up(server.base_url))
        answer = await http.get("/demo/location")
    assert answer.status_code == httpx.codes.OK
    nonce = answer.headers["content-security-policy"].split("'nonce-")[1].split("'")[0]
    assert answer.text.count(f'nonce="{nonce}"') == 2
    assert json.dumps("/ws/location/").strip('"') in answer.text
