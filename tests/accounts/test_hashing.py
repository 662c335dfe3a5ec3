"""Passwords are hashed a few at a time, and sockets do not wait for them."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher

from accounts import hashers
from accounts.hashers import AT_ONCE, Argon2Hasher, Busy
from core.errors import RateLimited
from core.per_loop import PerLoop
from db.fair_gate import FairGate
from tests.accounts.test_pages import form
from tests.conftest import StartServer
from tests.support.api import anonymous
from tests.support.chat_client import ChatClient, create_room, sign_up
from tests.support.refusals import refused

pytestmark = pytest.mark.once

# Their hashes, one after the other for they are of one address, must end before the form's 10 s on a busy machine, too.
CROWD = 6


class Counter:
    """Counts concurrent calls."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = self.most = 0

    def __enter__(self) -> None:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.inside -= 1


def test_process_hashes_few_passwords_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The counter wraps the real hash, inside the semaphore."""
    counter, encode = Counter(), Argon2PasswordHasher.encode

    def counted(self: Argon2PasswordHasher, password: str, salt: str) -> str:
        with counter:
            return str(encode(self, password, salt))

    monkeypatch.setattr(Argon2PasswordHasher, "encode", counted)
    with ThreadPoolExecutor(12) as threads:
        hashes = list(threads.map(lambda n: Argon2Hasher().encode(f"password {n}", "salt-of-this-test"), range(24)))
        assert all(threads.map(lambda n: Argon2Hasher().verify(f"password {n}", hashes[n]), range(24)))
    assert counter.most == AT_ONCE


def test_hash_that_waits_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashers, "WAIT_S", 0.05)
    leave, holding = threading.Event(), threading.Barrier(AT_ONCE + 1)
    before = refused("queue")

    def hold() -> None:
        with hashers.hash_slot():
            holding.wait(5)
            leave.wait(5)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        for _ in range(AT_ONCE):
            threads.submit(hold)
        holding.wait(5)
        with pytest.raises(Busy, match="try again"):
            Argon2Hasher().encode("password", "salt-of-this-test")
        leave.set()
    assert refused("queue") == before + 1
    with hashers.hash_slot():
        assert Argon2Hasher().encode("password", "salt-of-this-test"), "a nested hash waits for no second slot"


async def test_flooding_address_is_refused_and_others_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashers, "_gate", PerLoop(lambda: FairGate(AT_ONCE, share=1, waiting=3)))
    leave = threading.Event()

    def check(address: str) -> str:
        if address == "192.0.2.1":
            leave.wait(30)
        return address

    flood = [asyncio.create_task(hashers.run_for("192.0.2.1", check, "192.0.2.1")) for _ in range(10)]
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(20):  # the flood's first one is still under way
            assert await hashers.run_for("198.51.100.7", check, "198.51.100.7") == "198.51.100.7"
    finally:
        leave.set()
    ended = await asyncio.gather(*flood, return_exceptions=True)
    refusals = [error for error in ended if isinstance(error, RateLimited)]
    assert len(refusals) == 6, "one has the address's slot, three wait"
    assert all(refusal.retry_after >= 1 for refusal in refusals)


async def test_flood_of_sign_ins_is_refused_to_its_address_alone(start_server: StartServer) -> None:
    """Each address behind a proxy has its own queue.

    People at another address are not refused.
    """
    server = start_server(WEB_CONCURRENCY="1", LIMIT_CALLS_PER_S="0")
    ada = await sign_up(server.base_url)
    body = {"username": ada.name, "password": ada.password}
    async with httpx.AsyncClient(base_url=server.base_url, timeout=30, limits=httpx.Limits(max_connections=200)) as http:

        async def sign_in(address: str, **fields: str) -> httpx.Response:
            return await http.post("/api/session", json=body | fields, headers={"X-Forwarded-For": address})

        flood = [asyncio.create_task(sign_in("192.0.2.1", username=f"nobody{number}")) for number in range(130)]
        await asyncio.sleep(0.3)
        assert (await sign_in("198.51.100.7")).status_code == 204
        answers = await asyncio.gather(*flood)
    assert {answer.status_code for answer in answers} == {401, 429}, "503 would blame the server"
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers if answer.status_code == 429)


async def test_sockets_are_answered_while_a_crowd_signs_in(start_server: StartServer) -> None:
    server = start_server(WEB_CONCURRENCY="1")
    ada = await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    async with anonymous(server.base_url) as http, ChatClient(server.ws_url(), ada) as chat:
        token = await form(http, "/accounts/sign-in/")

        async def sign_in(number: int) -> int:
            fields = {"username": f"nobody{number}", "password": "correct horse"}
            return (await http.post("/accounts/sign-in/", data=fields | token)).status_code

        async def get_token(number: int) -> int:
            body = {"username": f"nobody-else{number}", "password": "correct horse"}
            return (await http.post("/api/token", json=body)).status_code

        crowd = [asyncio.create_task(call(number)) for number in range(CROWD) for call in (sign_in, get_token)]
        asked = 0
        while not all(call.done() for call in crowd):
            started = time.monotonic()
            await chat.request("history", room=room, before=5)
            assert time.monotonic() - started < 5
            asked += 1
            await asyncio.sleep(0.02)
        assert asked > 5
        assert sorted(call.result() for call in crowd) == [200] * CROWD + [401] * CROWD
