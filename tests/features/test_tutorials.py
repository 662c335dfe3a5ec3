"""Each snippet of docs/from-the-tutorials.md, run as it stands there."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
from contextlib import AsyncExitStack
from typing import Any

import pytest
from channels.generic.websocket import AsyncWebsocketConsumer
from django.urls import path

from core.features import Feature
from tests.browser.conftest import NewPerson
from tests.conftest import Connect
from tests.support.chat_client import Account
from tests.support.plain_socket import PlainSocket
from tests.support.server import ROOT, Server

pytestmark = pytest.mark.once

PAGE = (ROOT / "docs" / "from-the-tutorials.md").read_text()
SNIPPETS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
HOST = "127.0.0.1:8000"


def only(language: str) -> str:
    (found,) = [code for name, code in SNIPPETS if name == language]
    return found


def address_of(server: Server) -> str:
    return server.base_url.removeprefix("http://")


def test_all_snippets_are_run_here() -> None:
    assert sorted(language for language, _ in SNIPPETS) == ["js", "json", "json", "json", "python", "sh"]


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("/infra/ws", {"type": "demo-message-receive"}),
        ("/ws/location/", {"latitude": 1.5, "longitude": 2.5}),
        ("/ws/sensor_data/", {"sensor_id": "t1", "sensor_value": 21.5}),
    ],
)
async def test_frame_of_a_simple_client_reaches_others(
    server: Server, ada: Account, bob: Account, place: str, shown: dict[str, Any]
) -> None:
    heading = PAGE.index(f": `{place}`")
    frame = re.findall(r"^```json\n(.*?)^```", PAGE[heading:], re.DOTALL | re.MULTILINE)[0]
    async with AsyncExitStack() as exits:
        mine, theirs = [
            await exits.enter_async_context(PlainSocket(server.ws_url(place), headers=one.headers)) for one in (ada, bob)
        ]
        await mine.send(frame.strip())
        for socket in (mine, theirs):
            while not (found := await socket.receive_json()).items() >= shown.items():
                pass
            assert json.loads(found.get("content", '{"text": "hi"}'))["text"] == "hi"


async def test_line_of_websocat_is_a_message(server: Server, ada: Account) -> None:
    (command,) = re.findall(r"`(websocat [^`]+)`", PAGE)
    header, address = re.fullmatch(rf'websocat -H "(.+): Token \$TOKEN" ws://{HOST}(\S+)', command).groups()  # type: ignore[union-attr]
    text = f"a line {secrets.token_hex(4)}"
    async with PlainSocket(server.ws_url(address), headers={header: f"Token {ada.token}"}) as socket:
        await socket.send(text)
        while (await socket.receive_json())["message"] != text:
            pass


async def test_curl_shows_a_room_live(server: Server, ada: Account, connect: Connect) -> None:
    theirs = await connect()
    await theirs.join("lobby")
    command = only("sh").replace(HOST, address_of(server))
    curl = await asyncio.create_subprocess_shell(
        f"exec {command}", stdout=asyncio.subprocess.PIPE, env=os.environ | {"TOKEN": ada.token}
    )
    assert curl.stdout is not None
    try:
        async with asyncio.timeout(15):
            while b"room.joined" not in await curl.stdout.readline():
                pass
            text = f"live {secrets.token_hex(4)}"
            await theirs.send("lobby", text)
            while text.encode() not in await curl.stdout.readline():
                pass
    finally:
        curl.terminate()
        await curl.wait()


def test_feature_mounts_a_consumer() -> None:
    known: dict[str, Any] = {"Feature": Feature, "path": path, "MyConsumer": AsyncWebsocketConsumer}
    exec(only("python"), known)
    (mounted,) = known["FEATURE"].websocket_urlpatterns
    assert str(mounted.pattern) == "ws/mine/"  # tests/realtime/test_channels_consumers.py runs one


@pytest.mark.browser
def test_page_of_the_tutorial_works_unchanged(person: NewPerson) -> None:
    ada = person("Ada", bypass_csp=True)
    with ada.page.expect_console_message(lambda message: message.text == "hi"):
        ada.page.add_script_tag(content=only("js"))
