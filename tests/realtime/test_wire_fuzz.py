"""Random bytes cause no traceback, no delay and no dead worker.

`make fuzz` runs longer.
"""

import asyncio
import random
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.realtime.conftest import witnessing
from tests.support.chat_client import Account, create_room, sign_up
from tests.support.profile import Profile
from tests.support.server import Server
from tests.support.wire_fuzz import Case, case, seconds, seed

pytestmark = [pytest.mark.once, pytest.mark.served]

AT_A_TIME = 8


async def send(server: Server, sent: Case) -> None:
    """Send one connection's bytes; the answer is not checked."""
    with suppress(ConnectionError, TimeoutError, asyncio.IncompleteReadError):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            for pause_s, data in sent.segments:
                await asyncio.sleep(pause_s)
                writer.write(data)
            await asyncio.wait_for(writer.drain(), 2)
            if sent.waits:
                await asyncio.wait_for(reader.read(65_536), 0.2)
        finally:
            writer.transport.abort()


async def flood(server: Server, account: Account, dice: random.Random, until: float) -> int:
    number = 0
    while time.monotonic() < until:
        await asyncio.gather(*(send(server, case(dice, account.token)) for _ in range(AT_A_TIME)))
        number += AT_A_TIME
    return number


@pytest.fixture
def server_to_fuzz(profile: Profile) -> Iterator[Server]:
    """A server without the limits that would refuse nearly every connection."""
    lifted = ("LIMIT_HANDSHAKES_PER_S", "LIMIT_MESSAGES_PER_S", "LIMIT_SOCKETS_PER_USER", "LIMIT_CALLS_PER_S")
    fuzzed = Server(profile, dict.fromkeys(lifted, "0"))
    try:
        fuzzed.start()
        yield fuzzed
    finally:
        fuzzed.close()


@pytest.mark.timeout(0)
async def test_random_bytes_raise_no_error_in_the_server(server_to_fuzz: Server) -> None:
    start = seed()
    sys.stdout.write(f"FUZZ_SEED={start}\n")
    eve, talker, listener = [await sign_up(server_to_fuzz.base_url) for _ in range(3)]
    room = await create_room(server_to_fuzz.base_url, talker)
    workers = set(server_to_fuzz.process.members())
    async with witnessing(server_to_fuzz, room, talker, listener):
        number = await flood(server_to_fuzz, eve, random.Random(start), time.monotonic() + seconds())
    assert number > 100, "too little was sent"
    found = [line for line in server_to_fuzz.log.splitlines() if "Traceback" in line or "[error" in line]
    assert not found, f"FUZZ_SEED={start}\n{server_to_fuzz.log[-20_000:]}"
    assert workers <= set(server_to_fuzz.process.members()), "a worker died"
