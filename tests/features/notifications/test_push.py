"""Web Push from a running background worker to a push service on this machine."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from features.notifications import push
from features.notifications.push import Result, Subscription
from tests.features.notifications.conftest import Installation
from tests.features.notifications.push_service import HANG, Browser, PushService, claims_of, push_service
from tests.support.api import assert_problem, with_token
from tests.support.chat_client import Account, ChatClient, create_room, sign_up
from tests.support.django_shell import DjangoShell
from tests.support.server import ROOT

pytestmark = [pytest.mark.served, pytest.mark.timeout(180)]


class Person:
    """An account with a browser that takes Web Push."""

    def __init__(self, installation: Installation, account: Account, browser: Browser) -> None:
        self.installation, self.account, self.browser = installation, account, browser

    async def call(self, method: str, path: str, **options: Any) -> Any:
        async with with_token(self.installation.server.base_url, self.account) as http:
            answer = await http.request(method, f"/api/{path}", **options)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def subscribe(self, browser: Browser | None = None) -> int:
        device: int = (await self.call("POST", "notifications/devices", json=(browser or self.browser).subscription))["id"]
        return device

    async def devices(self) -> list[int]:
        return [one["id"] for one in (await self.call("GET", "notifications"))["devices"]]

    def chat(self) -> ChatClient:
        return ChatClient(self.installation.server.ws_url(), self.account)


async def person(installation: Installation, service: PushService, *answers: int) -> Person:
    found = Person(installation, await sign_up(installation.server.base_url), service.browser(*answers))
    await found.subscribe()
    return found


async def arrived(browser: Browser, number: int = 1) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await asyncio.to_thread(browser.wait_for, number)
    return found


async def test_direct_message_reaches_a_device_without_a_page(installation: Installation, service: PushService) -> None:
    bob = await person(installation, service)
    ada = await sign_up(installation.server.base_url)
    async with ChatClient(installation.server.ws_url(), ada) as chat:
        sent = await chat.send_to(bob.account.id, "hello \N{WAVING HAND SIGN}" + "x" * 300)
    (payload,) = await arrived(bob.browser)
    assert payload == {
        "room": sent["room"], "seq": sent["seq"], "title": ada.name, "body": ("hello \N{WAVING HAND SIGN}" + "x" * 300)[:200],
        "url": f"/chat/{sent['room']}/{sent['seq']}", "tag": f"room-{sent['room']}",
    }  # fmt: skip
    (request,) = bob.browser.requests()
    headers = request.headers
    assert (headers["content-encoding"], headers["urgency"], headers["ttl"]) == ("aes128gcm", "high", "86400")
    assert 0 < len(headers["topic"]) <= 32
    claims = claims_of(request, (await bob.call("GET", "notifications"))["push_key"])
    assert (claims["aud"], claims["sub"]) == (service.url, installation.server.base_url)
    assert time.time() < claims["exp"] <= time.time() + 86_400


async def test_only_what_nobody_showed_or_read_is_pushed(installation: Installation, service: PushService) -> None:
    """Each cause of silence is tested beside a message that is pushed.

    That message comes last in the same sweeps.
    """
    ada, base_url = await sign_up(installation.server.base_url), installation.server.base_url
    names = ("claims", "reads", "quiet", "blocks", "nothing", "chatter", "deleted")
    people = {name: await person(installation, service) for name in names}
    last = await person(installation, service)
    room = await create_room(base_url, ada, private=True)
    async with with_token(base_url, ada) as http:
        for one in people.values():
            assert (await http.post(f"/api/rooms/{room}/members", json={"user": one.account.id})).is_success
    hours = {"from": "00:00", "to": "00:00", "zone": "UTC"}
    await people["quiet"].call("PATCH", "notifications", json={"quiet": hours})
    await people["blocks"].call("POST", "blocks", json={"user": ada.id})
    await people["nothing"].call("PUT", f"notifications/rooms/{room}", json={"level": "nothing"})
    async with ChatClient(base_url.replace("http", "ws") + "/ws/", ada) as chat:
        for name in ("claims", "reads", "quiet", "blocks", "nothing", "deleted"):
            sent = await chat.send(room, f"@{people[name].account.name} look")
            if name == "claims":
                async with people[name].chat() as device:
                    await device.request("notify.claim", room=room, target=sent["seq"])
            if name == "reads":
                async with people[name].chat() as device:
                    await device.request("read", room=room, upto=sent["seq"])
            if name == "deleted":
                await chat.request("message.delete", room=room, target=sent["seq"], key="gone")
        await chat.send(room, "chatter")
        await chat.send_to(last.account.id, "behind all others")
    await arrived(last.browser)
    await asyncio.sleep(3)  # one more sweep
    assert {name: one.browser.payloads() for name, one in people.items()} == {name: [] for name in names}


async def test_new_password_ends_devices(installation: Installation, service: PushService) -> None:
    """Whoever has signed in with the old one reads no more."""
    bob, last = await person(installation, service), await person(installation, service)
    ada, base_url = await sign_up(installation.server.base_url), installation.server.base_url
    change = f"""
from accounts.models import User
user = User.objects.get(id={bob.account.id})
user.set_password("another long password")
user.save()
"""
    await asyncio.to_thread(installation.server.shell, change)
    async with ChatClient(base_url.replace("http", "ws") + "/ws/", ada) as chat:
        await chat.send_to(bob.account.id, "only for bob")
        await chat.send_to(last.account.id, "behind it")
        await arrived(last.browser)
        await asyncio.sleep(3)  # one more sweep
        assert bob.browser.payloads() == []
        assert await bob.devices() == []
        await bob.subscribe()
        await chat.send_to(bob.account.id, "to the browser that is Bob's again")
        await arrived(bob.browser)


async def test_levels_and_mentions_are_pushed_the_newest_of_a_room(installation: Installation, service: PushService) -> None:
    ada, base_url = await sign_up(installation.server.base_url), installation.server.base_url
    everything, named = await person(installation, service), await person(installation, service)
    room = await create_room(base_url, ada, private=True)
    async with with_token(base_url, ada) as http:
        assert (await http.patch(f"/api/rooms/{room}", json={"title": "The <b>team"})).is_success
        for one in (everything, named):
            assert (await http.post(f"/api/rooms/{room}/members", json={"user": one.account.id})).is_success
    await everything.call("PUT", f"notifications/rooms/{room}", json={"level": "all"})
    async with ChatClient(base_url.replace("http", "ws") + "/ws/", ada) as chat:
        for number in range(3):
            await chat.send(room, f"message {number}")
        mention = await chat.send(room, f"@{named.account.name} look")
        seen = await arrived(everything.browser)
        (payload,) = await arrived(named.browser)
        assert (payload["seq"], payload["title"]) == (mention["seq"], f"{ada.name} in The <b>team")
        # In one sweep the newest stands for all; where the sweep came between them, the last one is the newest.
        while seen[-1]["seq"] < mention["seq"]:
            seen = await arrived(everything.browser, len(seen) + 1)
        assert len(seen) <= 2
        assert seen[-1]["seq"] == mention["seq"]
        poll = await chat.request("poll.create", room=room, key="p", question="Tea?", options=["yes", "no"])
        seen = await arrived(everything.browser, len(seen) + 1)
        assert (seen[-1]["seq"], seen[-1]["body"]) == (poll["seq"], "Tea?")
    assert len(named.browser.payloads()) == 1
    assert named.browser.requests()[0].headers["urgency"] == "high"
    assert everything.browser.requests()[-1].headers["urgency"] == "normal"


async def test_message_behind_101_reactions_is_pushed(installation: Installation, service: PushService) -> None:
    bob = await person(installation, service)
    ada = await sign_up(installation.server.base_url)
    async with ChatClient(installation.server.ws_url(), ada) as chat:
        room = (await chat.send_to(bob.account.id, "first"))["room"]
        await arrived(bob.browser)
        await asyncio.to_thread(installation.bury, room, ada.id, "buried")
    assert [one["body"] for one in await arrived(bob.browser, 2)] == ["first", "buried"]


async def test_ended_devices_go_and_failing_ones_are_tried_again(installation: Installation, service: PushService) -> None:
    ended, failing, refused, redirected = [
        await person(installation, service, *answers) for answers in ((410,), (503, 429), (403,), (302,))
    ]
    second = service.browser()
    await ended.subscribe(second)
    ada = await sign_up(installation.server.base_url)
    async with ChatClient(installation.server.ws_url(), ada) as chat:
        for one in (ended, refused, redirected, failing):
            await chat.send_to(one.account.id, "hello")
    assert [one["body"] for one in await arrived(failing.browser)] == ["hello"]
    assert len(failing.browser.requests()) == 3
    assert [one["body"] for one in await arrived(second)] == ["hello"]
    assert len(ended.browser.requests()) == 1
    assert len(await ended.devices()) == 1
    assert len(await refused.devices()) == 1
    assert [one.path for one in service.requests if one.path == "/elsewhere"] == []
    assert len(second.payloads()) == 1


async def test_slow_service_delays_no_other_device(installation: Installation, service: PushService) -> None:
    slow, fast = await person(installation, service, HANG), await person(installation, service)
    ada = await sign_up(installation.server.base_url)
    async with ChatClient(installation.server.ws_url(), ada) as chat:
        await chat.send_to(slow.account.id, "slow")
        await chat.send_to(fast.account.id, "fast")
    assert [one["body"] for one in await arrived(fast.browser)] == ["fast"]
    assert [one["body"] for one in await arrived(slow.browser)] == ["slow"]  # its second request


async def test_hanging_devices_of_one_person_delay_no_other(installation: Installation, service: PushService) -> None:
    with ExitStack() as exits:
        services = [exits.enter_context(push_service()) for _ in range(20)]
        hanging = [one.browser(*[HANG] * 20) for one in services]
        slow = Person(installation, await sign_up(installation.server.base_url), hanging[0])
        for browser in hanging:
            await slow.subscribe(browser)
        fast = await person(installation, service)
        async with ChatClient(installation.server.ws_url(), await sign_up(installation.server.base_url)) as chat:
            await chat.send_to(slow.account.id, "slow")
            await asyncio.to_thread(service.wait, lambda: [one for one in hanging if one.requests()] or None, 20, "any of them")
            await chat.send_to(fast.account.id, "fast")
            await asyncio.to_thread(fast.browser.wait_for, 1, timeout=7)
        assert [one["body"] for one in fast.browser.payloads()] == ["fast"]


async def test_two_workers_push_once_while_one_hangs(installation: Installation, service: PushService, tmp_path: Path) -> None:
    """Both workers sweep for longer than a lease, which is a short one here."""
    sweeps = """
import time
from datetime import timedelta
from features.notifications import lease, sweep
lease.HELD = timedelta(seconds=3)
until = time.monotonic() + 14
while time.monotonic() < until:
    sweep.sweep()
    time.sleep(0.5)
"""
    people, base_url = [await person(installation, service) for _ in range(3)], installation.server.base_url
    with push_service() as hangs, ExitStack() as exits:
        slow = Person(installation, await sign_up(installation.server.base_url), hangs.browser(*[HANG] * 20))
        await slow.subscribe()
        async with ChatClient(installation.server.ws_url(), await sign_up(installation.server.base_url)) as chat:
            for one in (slow, *people):
                await chat.send_to(one.account.id, "hello")
            installation.kill()
        env = installation.server.env | {"PUBLIC_URL": base_url}
        shells = [DjangoShell(ROOT, lambda: env, tmp_path / f"{number}.log") for number in range(2)]
        for shell in shells:
            exits.callback(shell.close)
        shells[0].run("from features.notifications.models import Cursor; Cursor.objects.update(held_until=None)")
        await asyncio.gather(*(asyncio.to_thread(shell.run, sweeps) for shell in shells))
        assert slow.browser.requests()
    await asyncio.to_thread(installation.start)
    assert [len(one.browser.requests()) for one in people] == [1, 1, 1]


async def test_person_tries_their_own_devices(installation: Installation, service: PushService) -> None:
    bob = await person(installation, service)
    other = service.browser()
    await bob.subscribe(other)
    assert await bob.call("POST", "notifications/test") == {"devices": 2}
    for browser in (bob.browser, other):
        assert [one["tag"] for one in await arrived(browser)] == ["test"]
    async with with_token(installation.server.base_url, bob.account) as http:
        answers = [await http.post("/api/notifications/test") for _ in range(6)]
    assert_problem(answers[-1], 429, "rate_limited")


async def test_message_committed_before_a_power_cut_is_pushed_after_it(installation: Installation, service: PushService) -> None:
    bob = await person(installation, service)
    ada = await sign_up(installation.server.base_url)
    async with ChatClient(installation.server.ws_url(), ada) as chat:
        await chat.send_to(bob.account.id, "just before")
        installation.kill()
    assert bob.browser.payloads() == []
    await asyncio.to_thread(installation.start)
    assert [one["body"] for one in await arrived(bob.browser)] == ["just before"]


@pytest.mark.once
async def test_name_that_leads_into_an_internal_network_is_refused(monkeypatch: pytest.MonkeyPatch, service: PushService) -> None:
    monkeypatch.setattr(settings, "PUSH_LOOPBACK", False)
    monkeypatch.setattr(push, "_signature", lambda _origin: {})
    keys = service.browser().subscription["keys"]
    for host in ("localhost", "127.0.0.1", "[::1]"):
        to = Subscription(f"https://{host}:{service.url.rpartition(':')[2]}/push/x", keys["p256dh"], keys["auth"])
        assert (await push.send(to, {}, topic="t", urgent=True)).result == Result.REFUSED
    assert service.requests == []


@pytest.mark.once
async def test_keys_that_are_none_end_the_device(service: PushService) -> None:
    browser = service.browser()
    not_a_point = "B" + "A" * 86
    to = Subscription(browser.subscription["endpoint"], not_a_point, browser.subscription["keys"]["auth"])
    assert (await push.send(to, {}, topic="t", urgent=True)).result == Result.GONE
