"""`manage.py drain --share` hands a part of the sockets over."""

import asyncio

import pytest

from tests.conftest import StartServer
from tests.server.test_drain import drained, sockets
from tests.support.server import Server

pytestmark = pytest.mark.fleet


async def test_share_hands_a_part_over_and_goes_on(start_server: StartServer) -> None:
    server = start_server(DRAIN_SHARE_PER_S="50")
    async with sockets(server, 20) as opened:
        code, said = await drained(server, "--share", "40")
        assert code == 0, said
        await asyncio.sleep(1)
        closed = [one for one in opened if one.close_code is not None]
        assert {one.close_code for one in closed} == {1012}
        assert 6 <= len(closed) <= 10, "40 % of 20, rounded by each worker"
        for one in opened:
            if one not in closed:
                await (await one.ping())
        assert server.ready()


async def test_share_is_slow_and_ends_with_its_time(start_server: StartServer) -> None:
    server = start_server(DRAIN_SHARE_PER_S="1")
    async with sockets(server, 20) as opened:
        code, said = await drained(server, "--share", "100", "--timeout", "5")
        assert code == 3, said
        assert "not all was handed over within 5 s; the rest stays" in said
        await asyncio.sleep(2)
        left = [one for one in opened if one.close_code is None]
        assert left, "clients are asked one by one"
        await asyncio.sleep(4)
        assert [one for one in left if one.close_code is not None] == []


async def test_bad_share_is_refused(server: Server) -> None:
    for wrong in ("0", "101", "half"):
        code, said = await drained(server, "--share", wrong)
        assert code == 2
        assert f"must be a whole number from 1 to 100, not '{wrong}'" in said
