"""A feature switched off on one process is off on the other.

This holds after a restart of Redis, too.
"""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.realtime.across.conftest import Circle, healthy
from tests.support.api import with_token
from tests.support.chat_client import ChatClient, Refused, sign_up

MAKE_ADMINISTRATOR = "from accounts.models import User; User.objects.filter(id={}).update(is_superuser=True)"
LEARNT_WITHIN_S = 2.0
# Without Redis the poll of the journal brings it.
BY_POLL_S = 5.0


@pytest.fixture
async def http(circle: Circle) -> AsyncIterator[httpx.AsyncClient]:
    """Provide an administrator's client of the first process.

    All features are on again afterwards.
    """
    boss = await sign_up(circle.pair.one.base_url)
    await asyncio.to_thread(circle.pair.one.shell, MAKE_ADMINISTRATOR.format(boss.id))
    async with with_token(circle.pair.one.base_url, boss) as client:
        yield client
        for name in ("polls", "quiz"):
            (await client.patch(f"/api/features/{name}", json={"on": True})).raise_for_status()


async def switched(http: httpx.AsyncClient, name: str, chat: ChatClient, *, on: bool, within: float) -> None:
    """Switch by the first process, and wait until a socket of the second was told."""
    (await http.patch(f"/api/features/{name}", json={"on": on})).raise_for_status()
    async with asyncio.timeout(within):
        while (name in (await chat.expect("features.updated", timeout=within))["features"]) is not on:
            pass


async def vote_code(chat: ChatClient, circle: Circle) -> str:
    with pytest.raises(Refused) as refused:
        await chat.request("poll.vote", room=circle.room, key="vote", target=1, choices=[])
    return refused.value.code


async def test_other_process_follows_a_switch_within_2_s(circle: Circle, http: httpx.AsyncClient) -> None:
    there = await circle.there()
    await switched(http, "polls", there, on=False, within=LEARNT_WITHIN_S)
    assert await vote_code(there, circle) == "feature_off"
    await switched(http, "polls", there, on=True, within=LEARNT_WITHIN_S)
    assert await vote_code(there, circle) == "no_such_target"


async def test_other_process_follows_with_redis_away_and_back(circle: Circle, http: httpx.AsyncClient) -> None:
    there = await circle.there()
    await asyncio.to_thread(circle.pair.redis.stop)
    try:
        await switched(http, "quiz", there, on=False, within=BY_POLL_S)
    finally:
        await asyncio.to_thread(circle.pair.redis.start)
    await healthy(circle.pair)
    await switched(http, "quiz", there, on=True, within=LEARNT_WITHIN_S)
