"""/ws/: joins, pages, resumes, leaves, and the start of live events."""

import asyncio
import itertools
import random

import pytest

from tests.conftest import Connect
from tests.support.chat_client import Account, ChatClient, Refused, create_room, sign_up
from tests.support.server import Server


async def fill(server: Server, person: Account, room: str, number: int) -> None:
    """Write `number` messages, several at a time."""

    async def some(share: int) -> None:
        async with ChatClient(server.ws_url(), person) as chat:
            for _ in range(share):
                await chat.send(room, "x")

    await asyncio.gather(*[some(len(range(start, number, 16))) for start in range(16)])


@pytest.fixture(scope="module")
def full_room(unlimited: Server) -> tuple[Account, str]:
    """A room with 450 messages; do not change it."""

    async def make() -> tuple[Account, str]:
        ada = await sign_up(unlimited.base_url)
        room = await create_room(unlimited.base_url, ada)
        await fill(unlimited, ada, room, 450)
        return ada, room

    return asyncio.run(make())


async def test_new_room_is_empty(server: Server, connect: Connect, ada: Account) -> None:
    room = await create_room(server.base_url, ada)
    page = await (await connect(ada)).join(room)
    me = {"id": ada.id, "name": ada.name}
    shown = (page["head"], page["events"], page["more"], page["member_count"])
    assert shown == (0, [], False, 1)
    assert page["online"] in ([], [me])  # the own arrival comes with `presence` at the latest


async def test_reply_names_the_room_by_its_slug(server: Server, connect: Connect, ada: Account) -> None:
    chat = await connect(ada)
    room = await create_room(server.base_url, ada, "Straße-" + str(random.getrandbits(40)))
    assert room == room.casefold()
    for spelling in (room, room.upper(), room.title()):
        assert (await chat.join(spelling))["room"] == room


async def test_fresh_join_returns_the_latest_50_and_older(unlimited: Server, full_room: tuple[Account, str]) -> None:
    ada, room = full_room
    async with ChatClient(unlimited.ws_url(), ada) as chat:
        page = await chat.join(room)
        assert [event["seq"] for event in page["events"]] == list(range(401, 451))
        assert (page["head"], page["more"]) == (450, True)


async def test_fresh_join_of_50_messages_has_no_older(unlimited: Server) -> None:
    ada = await sign_up(unlimited.base_url)
    room = await create_room(unlimited.base_url, ada)
    await fill(unlimited, ada, room, 50)
    async with ChatClient(unlimited.ws_url(), ada) as chat:
        page = await chat.join(room)
        assert (len(page["events"]), page["more"]) == (50, False)
        await chat.send(room, "one more")
        page = await chat.join(room)
        assert (len(page["events"]), page["more"]) == (50, True)


@pytest.mark.parametrize("after", [0, 1, 249, 250, 449, 450])
async def test_join_with_after_returns_all_later_events(unlimited: Server, full_room: tuple[Account, str], after: int) -> None:
    ada, room = full_room
    async with ChatClient(unlimited.ws_url(), ada) as chat:
        events = await chat.catch_up(room, after)  # the client checks the seqs of each page
        assert [event["seq"] for event in events] == list(range(after + 1, 451))


async def test_pages_have_200_events_and_live_events_follow(unlimited: Server) -> None:
    ada = await sign_up(unlimited.base_url)
    room = await create_room(unlimited.base_url, ada)
    await fill(unlimited, ada, room, 201)
    async with ChatClient(unlimited.ws_url(), ada) as chat:
        page = await chat.join(room, after=0)
        assert (len(page["events"]), page["more"]) == (200, True)
        await chat.send(room, "while it pages")
        await chat.expect_nothing("message", seconds=0.3)
        page = await chat.join(room, after=200)
        assert ([event["seq"] for event in page["events"]], page["more"]) == ([201, 202], False)
        await chat.send(room, "live again")
        await chat.expect("message", seq=203)


async def test_join_above_the_head_returns_only_new_events(unlimited: Server) -> None:
    """A client may hold more than the server after a restored backup.

    It gets the new events.
    """
    ada = await sign_up(unlimited.base_url)
    room = await create_room(unlimited.base_url, ada)
    async with ChatClient(unlimited.ws_url(), ada) as chat:
        page = await chat.request("room.join", room=room, after=1000)
        assert (page["head"], page["events"], page["more"]) == (0, [], False)


async def test_pages_of_long_messages_stay_below_a_mebibyte(unlimited: Server) -> None:
    """Common clients refuse larger frames by default."""
    ada = await sign_up(unlimited.base_url)
    room = await create_room(unlimited.base_url, ada)
    async with ChatClient(unlimited.ws_url(), ada) as chat:
        await asyncio.gather(*[chat.send(room, "\N{GRINNING FACE}" * 10_000) for _ in range(60)])
    async with ChatClient(unlimited.ws_url(), ada, max_size=2**20) as chat:
        assert [event["seq"] for event in await chat.catch_up(room, 0)] == list(range(1, 61))
        assert (await chat.join(room))["more"]
        assert (await chat.request("history", room=room, after=0, limit=200))["more"]


async def test_rejoin_on_the_same_socket_returns_a_page(server: Server, connect: Connect, ada: Account) -> None:
    chat = await connect(ada)
    room = await create_room(server.base_url, ada)
    await chat.join(room)
    await chat.send(room, "one")
    await chat.expect("message", seq=1)
    for again in (None, 0, 1, None):
        await chat.join(room, after=again)
    await chat.send(room, "two")
    await chat.expect("message", seq=2)
    await chat.expect_nothing("message")


async def test_join_makes_a_member_on_all_sockets(server: Server, connect: Connect, ada: Account) -> None:
    room = await create_room(server.base_url, ada)
    bob = await sign_up(server.base_url)
    one, other = await connect(bob), await connect(bob)
    assert (await one.join(room))["member_count"] == 2
    assert (await other.send(room, "sent without a join here"))["seq"] == 1
    await one.expect("message", seq=1)


async def test_leave_ends_the_subscription_not_the_membership(server: Server, connect: Connect, ada: Account) -> None:
    room = await create_room(server.base_url, ada)
    chat, other = await connect(), await connect(ada)
    await chat.join(room)
    assert await chat.leave(room) == {"type": "ok", "re": 2}
    await other.send(room, "not for you")
    await chat.expect_nothing("message")
    assert (await chat.send(room, "a member still"))["seq"] == 2
    await chat.expect_nothing("message")
    assert (await chat.join(room))["member_count"] == 2


async def test_leave_of_an_unjoined_room_is_an_error(server: Server, connect: Connect, ada: Account) -> None:
    room = await create_room(server.base_url, ada)
    chat = await connect(ada)
    with pytest.raises(Refused) as error:
        await chat.leave(room)
    assert error.value.code == "not_a_member"


async def test_join_and_leave_write_no_event(server: Server, connect: Connect, ada: Account) -> None:
    chat = await connect(ada)
    room = await create_room(server.base_url, ada)
    for _ in range(3):
        await chat.join(room)
        await chat.leave(room)
    assert (await chat.join(room))["head"] == 0


async def test_one_socket_joins_many_rooms(server: Server, connect: Connect, ada: Account) -> None:
    chat, other = await connect(ada), await connect()
    rooms = [await create_room(server.base_url, ada) for _ in range(8)]
    for room in rooms:
        await chat.join(room)
        await other.join(room)
    for room in rooms:
        await other.send(room, room)
    for room in rooms:
        assert (await chat.expect("message", room=room))["text"] == room


async def test_page_and_live_events_join_without_loss_or_double(unlimited: Server) -> None:
    """Sockets join, leave and rejoin during a flood.

    The clients check each event for head + 1.
    """
    people = [await sign_up(unlimited.base_url) for _ in range(6)]
    room = await create_room(unlimited.base_url, people[0])
    writers = [ChatClient(unlimited.ws_url(), person) for person in people[:3]]
    flooding = True

    async def flood(writer: ChatClient) -> None:
        async with writer:
            await writer.join(room)
            while flooding:
                await asyncio.gather(*[writer.send(room, "flood") for _ in range(5)])
                await asyncio.sleep(0.002)

    async def come_and_go(person: Account, seed: int) -> ChatClient:
        dice = random.Random(seed)
        async with ChatClient(unlimited.ws_url(), person) as chat:
            held = 0
            for turn in itertools.count():
                if dice.random() < 0.5:
                    await chat.join(room)
                else:
                    await chat.catch_up(room, dice.choice([held, max(0, held - 30), max(0, held - 260)]))
                await asyncio.sleep(dice.random() * 0.05)
                held = chat.ledgers[room].highest
                if turn >= 25:
                    break
                if dice.random() < 0.5:
                    await chat.leave(room)
            if not chat.ledgers[room].live:
                await chat.catch_up(room, chat.ledgers[room].highest)
            await _reaches(chat, room, chat.ledgers[room].highest + 20)
        return chat

    floods = [asyncio.create_task(flood(writer)) for writer in writers]
    comers = [asyncio.create_task(come_and_go(person, seed)) for seed, person in enumerate(people * 3)]
    done, _ = await asyncio.wait(comers, timeout=60)
    flooding = False
    await asyncio.gather(*floods)
    assert len(done) == len(comers)
    for task in comers:
        assert task.result().ledgers[room].highest > 100


async def _reaches(chat: ChatClient, room: str, head: int) -> None:
    """Wait until this socket has all events up to `head`."""
    async with asyncio.timeout(10):
        while chat.ledgers[room].highest < head:
            await chat.expect("message", room=room, timeout=10)
