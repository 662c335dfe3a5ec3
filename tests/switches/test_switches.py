"""Administrators switch features off and on while the server runs.

Every person and every part of the server follows at once.
"""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.conftest import StartServer
from tests.support.api import assert_problem, with_token
from tests.support.chat_client import Account, ChatClient, Frame, Refused, create_room, sign_up
from tests.support.plain_socket import PlainSocket
from tests.support.server import Server

POLL: Frame = {"question": "Tea?", "options": ["yes", "no"], "multiple": False, "secret": True}
SURVEY: Frame = {"title": "Tea", "questions": [{"kind": "single", "text": "Tea?", "options": ["yes", "no"]}], "secret": True}
MAKE_ADMINISTRATOR = "from accounts.models import User; User.objects.filter(id={}).update(is_superuser=True)"


@pytest.fixture(scope="module")
def own(start_module_server: StartServer) -> Server:
    """A server whose features these tests alone switch."""
    return start_module_server(FEATURES_OFF="demo")


@pytest.fixture(scope="module")
def boss(own: Server) -> Account:
    account = asyncio.run(sign_up(own.base_url))
    own.shell(MAKE_ADMINISTRATOR.format(account.id))
    return account


@pytest.fixture
async def http(own: Server, boss: Account) -> AsyncIterator[httpx.AsyncClient]:
    """Send an administrator's calls; every feature is on again afterwards."""
    async with with_token(own.base_url, boss) as client:
        yield client
        for one in (await client.get("/api/features")).json()["features"]:
            if not one["on"] and not one["by_operator"]:
                await switch(client, one["name"], on=True)


async def switch(http: httpx.AsyncClient, name: str, *, on: bool) -> None:
    answer = await http.patch(f"/api/features/{name}", json={"on": on})
    assert answer.status_code == httpx.codes.OK, answer.text
    states = {one["name"]: one["on"] for one in answer.json()["features"]}
    assert states[name] is on


async def hears(chat: ChatClient, name: str, *, on: bool) -> None:
    """Wait until the socket was told."""
    while (name in (await chat.expect("features.updated"))["features"]) is not on:
        pass


async def test_switched_feature_goes_and_comes_back_on_open_sockets(own: Server, boss: Account, http: httpx.AsyncClient) -> None:
    ada = await sign_up(own.base_url)
    room = await create_room(own.base_url, ada)
    async with ChatClient(own.ws_url(), ada) as chat:
        await chat.join(room)
        await chat.request("poll.create", room=room, key="poll", **POLL)
        await switch(http, "polls", on=False)
        await hears(chat, "polls", on=False)
        with pytest.raises(Refused, match="feature_off: the feature polls is switched off"):
            await chat.request("poll.vote", room=room, key="vote", target=1, choices=[1])
        with pytest.raises(Refused, match="feature_off: the feature polls is switched off"):
            await chat.request("list.filter", room=room, list="polls", query="tea")
        async with with_token(own.base_url, ada) as mine:
            assert_problem(await mine.get(f"/api/rooms/{room}/polls"), 404, "feature_off")
        # The core goes on, and the poll keeps its place, unseen.
        assert (await chat.send(room, "after it"))["seq"] == 2
        async with ChatClient(own.ws_url(), ada) as later:
            assert "polls" not in later.hello["features"]
            assert [event["seq"] for event in (await later.join(room))["events"]] == [2]
            events = await later.catch_up(room, after=0)
            assert [event["seq"] for event in events] == [1, 2]
            assert "Tea?" not in json.dumps(events)
        await switch(http, "polls", on=True)
        await hears(chat, "polls", on=True)
        await chat.request("poll.vote", room=room, key="vote", target=1, choices=[1])
        async with ChatClient(own.ws_url(), ada) as later:
            poll = (await later.join(room))["events"][0]
            assert (poll["question"], poll["voters"]) == ("Tea?", 1)


async def test_secret_answers_name_nobody_while_switched_off(own: Server, http: httpx.AsyncClient) -> None:
    ada = await sign_up(own.base_url)
    room = await create_room(own.base_url, ada)
    async with ChatClient(own.ws_url(), ada) as chat:
        await chat.join(room)
        await chat.request("poll.create", room=room, key="poll", **POLL)
        await chat.request("poll.vote", room=room, key="vote", target=1, choices=[1])
        await chat.request("survey.create", room=room, key="survey", **SURVEY)
        await chat.request("survey.answer", room=room, key="answer", target=3, answers=[[0]])
        for name in ("polls", "surveys"):
            await switch(http, name, on=False)
            await hears(chat, name, on=False)
    async with ChatClient(own.ws_url(), ada) as later:
        events = await later.catch_up(room, after=0)
    assert [event["from"]["id"] for event in events] == [ada.id, 0, ada.id, 0]
    assert [event["from"]["name"] for event in (events[1], events[3])] == ["", ""]


async def test_frame_handled_at_once_is_refused_too(own: Server, boss: Account, http: httpx.AsyncClient) -> None:
    async with ChatClient(own.ws_url(), boss) as chat:
        await chat.join("lobby")
        await switch(http, "typing", on=False)
        await hears(chat, "typing", on=False)
        with pytest.raises(Refused, match="feature_off"):
            await chat.request("typing", room="lobby")


async def test_dialect_of_a_switched_feature_is_closed_and_refused(own: Server, boss: Account, http: httpx.AsyncClient) -> None:
    def device() -> PlainSocket:
        return PlainSocket(own.ws_url("/ws/sensor_data/"), headers=boss.headers)

    async with device() as open_before, httpx.AsyncClient(base_url=own.base_url) as page:
        assert (await page.get("/demo/sensor_data")).status_code != httpx.codes.NOT_FOUND
        await switch(http, "sensors", on=False)
        await open_before.expect_close(1012)
        assert (await page.get("/demo/sensor_data")).status_code == httpx.codes.NOT_FOUND
    async with device() as later:
        await later.expect_close(4004)


async def test_only_administrators_switch_and_the_operator_wins(own: Server, http: httpx.AsyncClient) -> None:
    ada = await sign_up(own.base_url)
    async with with_token(own.base_url, ada) as mine:
        listed = (await mine.get("/api/features")).json()
        assert listed["may_switch"] is False
        assert_problem(await mine.patch("/api/features/polls", json={"on": False}), 403, "forbidden")
    listed = (await http.get("/api/features")).json()
    assert listed["may_switch"] is True
    (demo,) = [one for one in listed["features"] if one["name"] == "demo"]
    assert (demo["on"], demo["by_operator"]) == (False, True)
    assert_problem(await http.patch("/api/features/demo", json={"on": True}), 403, "forbidden")
    for name in ("rooms", "chat", "no-such"):  # the core cannot be switched
        assert_problem(await http.patch(f"/api/features/{name}", json={"on": False}), 404, "no_such_target")
    assert_problem(await http.patch("/api/features/polls", json={"on": "no"}), 400, "invalid")


async def test_switch_outlives_a_restart_and_is_in_the_log(own: Server, boss: Account, http: httpx.AsyncClient) -> None:
    before = len(own.log)
    await switch(http, "polls", on=False)
    await switch(http, "polls", on=False)
    lines = [line for line in own.log[before:].splitlines() if "a feature was switched" in line]
    assert len(lines) == 1
    assert boss.name in lines[0]
    assert "polls" in lines[0]
    (state,) = [one for one in (await http.get("/api/features")).json()["features"] if one["name"] == "polls"]
    assert state["off_by"] == boss.name
    await asyncio.to_thread(own.stop)
    await asyncio.to_thread(own.start)
    # The very first socket and call of a new process know it.
    async with with_token(own.base_url, boss) as mine:
        assert_problem(await mine.get("/api/rooms/lobby/polls"), 404, "feature_off")
    async with ChatClient(own.ws_url(), boss) as chat:
        assert "polls" not in chat.hello["features"]


async def test_every_feature_can_be_switched_while_the_core_works(own: Server, boss: Account, http: httpx.AsyncClient) -> None:
    before = len(own.log)
    room = await create_room(own.base_url, boss)
    names = [one["name"] for one in (await http.get("/api/features")).json()["features"] if not one["by_operator"]]
    async with ChatClient(own.ws_url(), boss) as chat:
        await chat.join(room)
        for name in names:
            await switch(http, name, on=False)
        await hears(chat, names[-1], on=False)
        assert (await chat.send(room, "still here"))["seq"] == 1
        assert (await chat.expect("message"))["text"] == "still here"
        for name in names:
            await switch(http, name, on=True)
        await hears(chat, names[-1], on=True)
    async with ChatClient(own.ws_url(), boss) as chat:
        assert set(names) <= set(chat.hello["features"])
    errors = [line for line in own.log[before:].splitlines() if "Traceback" in line or "[error" in line]
    assert not errors
