"""Two processes: a place outlives its process, and nothing outlives its share."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from typing import Any

import pytest

from tests.features.location.test_dialect import PLACE, place_of
from tests.features.location.test_frames import HERE, SOON_S, code, place, share, stop
from tests.realtime.across.conftest import Circle, Pair, circle_of, start_pair
from tests.realtime.across.test_live import RIGHT_WITHIN_S
from tests.support.chat_client import ChatClient
from tests.support.plain_socket import PlainSocket
from tests.support.profile import Profile
from tests.support.server import Server


@pytest.fixture(scope="module")
def pair(profile: Profile) -> Iterator[Pair]:
    with ExitStack() as exits:
        yield start_pair(profile, exits)


@pytest.fixture
async def circle(pair: Pair) -> AsyncIterator[Circle]:
    async with AsyncExitStack() as exits:
        yield await circle_of(pair, exits)


def stored(pair: Pair) -> list[str]:
    """Return the places in Redis.

    The mark of an ended share holds none.
    """
    client: Any = pair.redis.client()
    texts = (member.decode() for name in client.scan_iter("*live:*") for member in client.zrange(name, 0, -1))
    return [text for text in texts if "latitude" in text]


async def until_stored(pair: Pair, *, places: int) -> None:
    for _ in range(200):
        if len(stored(pair)) == places:
            return
        await asyncio.sleep(RIGHT_WITHIN_S / 200)
    raise AssertionError(f"Redis holds {stored(pair)}")


async def test_place_comes_back_after_redis_lost_it(circle: Circle, pair: Pair) -> None:
    mine, theirs = await circle.here(), await circle.there()
    seq = (await share(mine, circle.room))["seq"]
    await mine.request("location.update", room=circle.room, **HERE)
    await place(theirs)
    await until_stored(pair, places=1)
    pair.redis.kill()
    await mine.request("location.update", room=circle.room, latitude=1, longitude=1)
    pair.redis.start()
    async with asyncio.timeout(RIGHT_WITHIN_S):
        await until_stored(pair, places=1)
        assert (await place(theirs))["value"]["latitude"] == 1
    # The other process ends it.
    also = await circle.connect(pair.two, circle.ada)
    await stop(also, circle.room, seq)
    assert (await place(theirs))["value"] is None
    await until_stored(pair, places=0)


# A later share as the other process stores it, and dies before it ends the earlier one.
LATER = """
from django.db import transaction
from chat.models import Due, Event
from rooms.models import Room
with transaction.atomic():
    room = Room.objects.select_for_update().get(slug={room!r})
    event = Event.objects.get(room=room, seq={seq})
    event.pk, event.seq, event.key = None, room.head + 1, "later"
    event.data = event.data | {{"ended": {ended}}}
    event.save()
    if not {ended}:
        Due.objects.create(room=room, seq=event.seq, at=Due.objects.get(room=room, seq={seq}).at)
    room.head = event.seq
    room.save()
"""


async def test_share_ends_when_the_process_of_a_later_one_died(circle: Circle, pair: Pair) -> None:
    mine, theirs = await circle.here(), await circle.there()
    seq = (await share(mine, circle.room))["seq"]
    await theirs.expect("location")
    await asyncio.to_thread(pair.two.shell, LATER.format(room=circle.room, seq=seq, ended=False))
    for one in (theirs, mine):  # until then a process takes a place for one of the share that has ended
        assert (await one.expect("location.ended", timeout=SOON_S))["target"] == seq
    await mine.request("location.update", room=circle.room, **HERE)
    while (shown := await place(theirs))["value"] is None:  # the end of the first share, which either process may tell last
        assert shown["key"] == str(seq)
    assert shown["key"] == str(seq + 1)
    await stop(mine, circle.room, seq + 1)
    await until_stored(pair, places=0)


async def test_replaced_share_does_not_come_back(circle: Circle, pair: Pair) -> None:
    mine = await circle.here()
    seq = (await share(mine, circle.room))["seq"]
    await asyncio.to_thread(pair.one.shell, LATER.format(room=circle.room, seq=seq, ended=True))
    assert await code(mine, "location.update", room=circle.room, **HERE) == "closed"


async def test_last_place_outlives_its_process_until_the_end(circle: Circle, pair: Pair) -> None:
    mine, theirs = await circle.here(), await circle.there(join=False)
    await share(mine, circle.room, 12)
    await mine.request("location.update", room=circle.room, **HERE)
    await until_stored(pair, places=1)
    pair.one.kill()
    await theirs.join(circle.room)
    assert (await place(theirs))["value"]["latitude"] == HERE["latitude"]
    assert (await theirs.expect("location.ended", timeout=12 + SOON_S))["state"]["ended"] is True
    assert (await place(theirs))["value"] is None
    await until_stored(pair, places=0)
    late = await circle.there()
    await late.expect_nothing("live")
    pair.one.start()


class Tabs:
    """Two tabs of Ada feed one share from two processes; Bob hears of its end."""

    def __init__(self, circle: Circle, exits: AsyncExitStack) -> None:
        self._circle, self._exits = circle, exits

    async def open(self, server: Server) -> PlainSocket:
        tab = PlainSocket(server.ws_url("/ws/location/"), headers=self._circle.ada.headers)
        return await self._exits.enter_async_context(tab)

    async def feed(self, tab: PlainSocket, latitude: float) -> None:
        await tab.send_json(PLACE | {"latitude": latitude})
        while (await place_of(tab, self._circle.ada))["latitude"] != latitude:
            pass

    async def begin(self) -> None:
        pair = self._circle.pair
        self.bob: ChatClient = await self._circle.there(join=False)
        await self.bob.join("lobby")
        self.first, self.second = await self.open(pair.one), await self.open(pair.two)
        await self.feed(self.first, 1)
        self.seq = (await self.bob.expect("location"))["seq"]
        await self.feed(self.second, 2)

    async def goes_on(self) -> None:
        await self.bob.expect_nothing("location.ended", seconds=2, target=self.seq)

    async def ends(self) -> None:
        await self.bob.expect("location.ended", target=self.seq, timeout=SOON_S)


@pytest.fixture
async def tabs(circle: Circle) -> AsyncIterator[Tabs]:
    async with AsyncExitStack() as exits:
        two = Tabs(circle, exits)
        await two.begin()
        yield two


@pytest.mark.parametrize("closing", ["first", "second"])
async def test_share_ends_with_the_last_tab_of_any_process(tabs: Tabs, closing: str) -> None:
    goes, stays = (tabs.first, tabs.second) if closing == "first" else (tabs.second, tabs.first)
    await goes.socket.close()
    await tabs.goes_on()
    await tabs.feed(stays, 3)
    await tabs.bob.expect_nothing("location", seconds=0.5)
    await stays.socket.close()
    await tabs.ends()


async def test_share_ends_when_both_tabs_close_at_once(tabs: Tabs) -> None:
    await asyncio.gather(tabs.first.socket.close(), tabs.second.socket.close())
    await tabs.ends()


async def test_tab_elsewhere_that_only_watches_keeps_no_share(tabs: Tabs, pair: Pair) -> None:
    await tabs.open(pair.one)
    await tabs.first.socket.close()
    await tabs.goes_on()
    await tabs.second.socket.close()
    await tabs.ends()


async def test_share_left_to_a_lost_tab_of_another_process_ends(tabs: Tabs) -> None:
    await tabs.second.socket.close()
    await tabs.goes_on()
    tabs.first.socket.transport.abort()
    await tabs.ends()


async def test_lost_tab_of_another_process_keeps_no_share(tabs: Tabs) -> None:
    tabs.first.socket.transport.abort()
    await tabs.goes_on()
    await tabs.second.socket.close()
    await tabs.ends()
