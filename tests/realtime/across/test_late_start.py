"""A process that starts before its database has tables waits, like pods."""

import asyncio
from contextlib import AsyncExitStack

from tests.support.chat_client import ChatClient, create_room, sign_up
from tests.support.profile import Profile
from tests.support.server import Server, manage
from tests.support.services import Postgres, Redis

# Long enough for several polls of the missing tables.
POLLS_S = 6


async def test_process_started_before_its_migrations_polls(profile: Profile) -> None:
    async with AsyncExitStack() as exits:
        postgres, redis = exits.enter_context(Postgres()), exits.enter_context(Redis())
        env = {"REDIS_URL": redis.url, "WEB_CONCURRENCY": "1", "DATABASE_URL": postgres.create_database()}
        early, late = Server(profile, env), Server(profile, env)
        for server in (early, late):
            exits.callback(server.close)
        early.start(ready=False)
        await asyncio.sleep(POLLS_S)
        manage("migrate", "--no-input", env=early.env)
        early.wait_until_ready()
        late.start()
        ada, bob = await sign_up(early.base_url), await sign_up(late.base_url)
        room = await create_room(early.base_url, ada)
        here = await exits.enter_async_context(ChatClient(early.ws_url(), ada))
        there = await exits.enter_async_context(ChatClient(late.ws_url(), bob))
        await here.join(room)
        await there.join(room)
        redis.stop()  # the poll of the early process delivers later events
        sent = await there.send(room, "by the poll")
        heard = await here.expect("message", room=room, seq=sent["seq"], timeout=6)
        assert heard["text"] == "by the poll"
