"""E-mail digests from a running background worker to a local mail server."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.features.notifications.conftest import Installation
from tests.features.notifications.mail_server import MailServer, mail_server, text_of
from tests.support.api import assert_problem, with_token
from tests.support.chat_client import Account, ChatClient, create_room, sign_up
from tests.support.profile import Profile

pytestmark = [pytest.mark.served, pytest.mark.timeout(240)]
# As if so many hours had gone by for a person: their period is over, and messages are settled.
LATER = """
from datetime import timedelta
from django.db.models import F
from chat.models import Event
from features.notifications.models import Preferences
Preferences.objects.filter(user_id={user}).update(mailed_at=F("mailed_at") - timedelta(hours={hours}))
Event.objects.update(at=F("at") - timedelta(minutes=10))
"""
SEND = """
from features.notifications import digest
print(digest.digests_send())
"""


@pytest.fixture(scope="module")
def mails() -> Iterator[MailServer]:
    with mail_server() as found:
        yield found


@pytest.fixture(scope="module")
def posted(profile: Profile, mails: MailServer) -> Iterator[Installation]:
    found = Installation(profile, {"EMAIL_URL": mails.url, "EMAIL_FROM": "Hubbub <hubbub@example.org>"})
    try:
        found.start()
        yield found
    finally:
        found.close()


async def patch(posted: Installation, account: Account, language: str = "en", **changes: Any) -> dict[str, Any]:
    async with with_token(posted.server.base_url, account) as http:
        answer = await http.patch("/api/notifications", json=changes, headers={"Accept-Language": language})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def settings(posted: Installation, account: Account) -> dict[str, Any]:
    async with with_token(posted.server.base_url, account) as http:
        found: dict[str, Any] = (await http.get("/api/notifications")).json()
    return found


def link_in(text: str, what: str) -> str:
    found = re.search(rf"http://\S+/notifications/{what}/\S+", text)
    assert found, text
    return found[0]


async def reader(posted: Installation, mails: MailServer, digest: str = "hourly", language: str = "en") -> tuple[Account, str]:
    """A person with a confirmed address."""
    account, address = await sign_up(posted.server.base_url), f"{secrets.token_hex(6)}@example.org"
    changed = await patch(posted, account, language, email=address, digest=digest)
    assert (changed["email"], changed["email_confirmed"], changed["mail"]) == (address, False, True)
    (mail,) = await asyncio.to_thread(mails.wait_for, address)
    link = link_in(text_of(mail), "confirm")
    async with ChatClient(posted.server.ws_url(), account) as page, httpx.AsyncClient() as browser:
        assert (await browser.get(link)).status_code == 200
        assert not (await settings(posted, account))["email_confirmed"]  # mail programs open links by themselves
        assert (await browser.post(link)).status_code == 200
        assert (await page.expect("notifications"))["email_confirmed"]
    mails.mails.remove(mail)
    return account, address


async def digest(posted: Installation, mails: MailServer, account: Account, address: str, number: int = 1) -> list[Any]:
    """Let a person's period pass, and wait for their digests."""
    await asyncio.to_thread(posted.server.shell, LATER.format(user=account.id, hours=25))
    found: list[Any] = await asyncio.to_thread(mails.wait_for, address, number)
    return found


async def test_digest_holds_what_was_missed_once(posted: Installation, mails: MailServer) -> None:
    bob, address = await reader(posted, mails)
    ada, base_url = await sign_up(posted.server.base_url), posted.server.base_url
    team, quiet = await create_room(base_url, ada, private=True), await create_room(base_url, ada, private=True)
    async with with_token(base_url, ada) as http:
        await http.patch(f"/api/rooms/{team}", json={"title": "The <team>"})
        for room in (team, quiet):
            assert (await http.post(f"/api/rooms/{room}/members", json={"user": bob.id})).is_success
    async with ChatClient(posted.server.ws_url(), ada) as chat:
        read = await chat.send(team, f"@{bob.name} was read")
        async with ChatClient(posted.server.ws_url(), bob) as page:
            await page.request("read", room=team, upto=read["seq"])
        await chat.send(team, "chatter")
        await chat.send(quiet, "more chatter")
        named = await chat.send(team, f"@{bob.name} <script>look</script>")
        direct = await chat.send_to(bob.id, "only you \N{WAVING HAND SIGN}")
        (mail,) = await digest(posted, mails, bob, address)
        text, html = text_of(mail), text_of(mail, "html")
        assert (mail["From"], mail["Subject"]) == ("Hubbub <hubbub@example.org>", "What you missed in Hubbub")
        for body in (text, html):
            assert f"{base_url}/chat/{team}/{named['seq']}" in body
            assert f"{base_url}/chat/{direct['room']}/{direct['seq']}" in body
            assert "only you \N{WAVING HAND SIGN}" in body
            assert "chatter" not in body
            assert "was read" not in body
        assert "<script>look</script>" in text
        assert "<script>" not in html
        assert "The &lt;team&gt;" in html
        # A later digest has the later messages, and nothing twice.
        await chat.send_to(bob.id, "news")
        _first, second = await digest(posted, mails, bob, address, 2)
        assert "news" in text_of(second)
        assert "only you" not in text_of(second)
    await asyncio.to_thread(posted.server.shell, LATER.format(user=bob.id, hours=25))
    await asyncio.to_thread(posted.server.shell, SEND)
    assert len(mails.to(address)) == 2  # nothing was missed


async def test_message_behind_101_reactions_is_mailed(posted: Installation, mails: MailServer) -> None:
    bob, address = await reader(posted, mails)
    ada = await sign_up(posted.server.base_url)
    async with ChatClient(posted.server.ws_url(), ada) as chat:
        room = (await chat.send_to(bob.id, "first"))["room"]
        await asyncio.to_thread(posted.bury, room, ada.id, "buried")
    (mail,) = await digest(posted, mails, bob, address)
    for text in ("first", "buried"):
        assert text in text_of(mail)


async def test_digest_takes_the_newest_100_messages_of_a_room(posted: Installation, mails: MailServer) -> None:
    """Reactions between them take the place of none."""
    bob, address = await reader(posted, mails)
    ada = await sign_up(posted.server.base_url)
    async with ChatClient(posted.server.ws_url(), ada) as chat:
        room = (await chat.send_to(bob.id, "first"))["room"]
        await asyncio.to_thread(posted.bury, room, ada.id, *(f"number {number}" for number in range(100)))
    (mail,) = await digest(posted, mails, bob, address)
    text = text_of(mail)
    assert "number 99" in text
    assert "90" in text, "of 100 messages 10 are shown"
    assert "first" not in text


async def test_mail_program_unsubscribes_by_one_post_signed_out(posted: Installation, mails: MailServer) -> None:
    bob, address = await reader(posted, mails, "daily", "zh-hans")
    async with ChatClient(posted.server.ws_url(), await sign_up(posted.server.base_url)) as chat:
        await chat.send_to(bob.id, "hello")
    (mail,) = await digest(posted, mails, bob, address)
    assert mail["Subject"] == "你在 Hubbub 错过的消息"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = mail["List-Unsubscribe"].strip(" <>")
    assert link == link_in(text_of(mail), "unsubscribe")
    async with httpx.AsyncClient() as program:
        assert (await program.get(link)).status_code == 200
        assert (await settings(posted, bob))["digest"] == "daily"
        assert (await program.post(link, data={"List-Unsubscribe": "One-Click"})).status_code == 200
        assert (await settings(posted, bob))["digest"] == "off"
        for forged in (f"{link[:-2]}xx", link.replace("unsubscribe", "confirm"), f"{link}/more"):
            assert (await program.post(forged)).status_code in {400, 404}


async def test_unconfirmed_or_changed_address_gets_no_digest(posted: Installation, mails: MailServer) -> None:
    bob, address = await sign_up(posted.server.base_url), f"{secrets.token_hex(6)}@example.org"
    await patch(posted, bob, email=address, digest="hourly")
    (mail,) = await asyncio.to_thread(mails.wait_for, address)
    async with ChatClient(posted.server.ws_url(), await sign_up(posted.server.base_url)) as chat:
        await chat.send_to(bob.id, "hello")
    await asyncio.to_thread(posted.server.shell, LATER.format(user=bob.id, hours=25))
    await asyncio.to_thread(posted.server.shell, SEND)
    assert mails.to(address) == [mail]
    await patch(posted, bob, email=f"other-{address}")
    async with httpx.AsyncClient() as browser:
        assert (await browser.post(link_in(text_of(mail), "confirm"))).status_code == 400
    assert not (await settings(posted, bob))["email_confirmed"]
    async with with_token(posted.server.base_url, bob) as http:
        for wrong in ("no address", "a@b@c.org", "a@example.org\r\nBcc: x@example.org", "ä@example.org"):
            assert (await http.patch("/api/notifications", json={"email": wrong})).status_code == 400
        answers = [await http.patch("/api/notifications", json={"email": f"{n}-{address}"}) for n in range(12)]
        assert_problem(answers[-1], 429, "rate_limited")


async def test_many_accounts_mail_no_stranger(posted: Installation, mails: MailServer, profile: Profile) -> None:
    address, refused = f"{secrets.token_hex(6)}@example.org", 0
    for _ in range(4 * profile.workers):
        async with with_token(posted.server.base_url, await sign_up(posted.server.base_url)) as http:
            for given in (address, address.upper()):
                refused += (await http.patch("/api/notifications", json={"email": given})).status_code == 429
    assert refused >= 8 * profile.workers - 5 * profile.workers, "each worker counts, five a day"


async def test_mailbox_that_is_gone_is_asked_to_be_confirmed_again(posted: Installation, mails: MailServer) -> None:
    bob, address = await reader(posted, mails)
    mails.refused.add(address)
    async with ChatClient(posted.server.ws_url(), await sign_up(posted.server.base_url)) as chat:
        await chat.send_to(bob.id, "hello")
    await asyncio.to_thread(posted.server.shell, LATER.format(user=bob.id, hours=25))
    for _ in range(200):
        if not (await settings(posted, bob))["email_confirmed"]:
            break
        await asyncio.sleep(0.5)
    assert not (await settings(posted, bob))["email_confirmed"]
    assert mails.to(address) == []


async def test_mail_that_its_server_refuses_holds_up_no_other(posted: Installation, mails: MailServer) -> None:
    bob, unwanted = await reader(posted, mails)
    carol, address = await reader(posted, mails)
    mails.unwanted.add(unwanted)
    async with ChatClient(posted.server.ws_url(), await sign_up(posted.server.base_url)) as chat:
        await chat.send_to(bob.id, "hello")
        await chat.send_to(carol.id, "hello")
    await asyncio.to_thread(posted.server.shell, LATER.format(user=bob.id, hours=30))  # who has waited longest comes first
    await digest(posted, mails, carol, address)
    assert mails.to(unwanted) == []
    mails.unwanted.clear()
    (mail,) = await digest(posted, mails, bob, unwanted)
    assert "hello" in text_of(mail)


async def test_two_workers_send_one_digest(posted: Installation, mails: MailServer) -> None:
    """A slow mail server outlasts the lease."""
    bob, _address = await reader(posted, mails)
    claims = f"""
from django.utils import timezone
from features.notifications import digest
from features.notifications.models import Preferences
both = [Preferences.objects.get(user_id={bob.id}) for _ in range(2)]
print([digest._claim(one, timezone.now()) for one in both])
"""
    assert "[True, False]" in await asyncio.to_thread(posted.server.shell, claims)


async def test_mail_server_that_is_away_costs_no_digest(posted: Installation, mails: MailServer) -> None:
    bob, address = await reader(posted, mails)
    mails.is_open = False
    try:
        async with ChatClient(posted.server.ws_url(), await sign_up(posted.server.base_url)) as chat:
            await chat.send_to(bob.id, "hello")
        await asyncio.to_thread(posted.server.shell, LATER.format(user=bob.id, hours=25))
        await asyncio.to_thread(posted.server.shell, SEND)
    finally:
        mails.is_open = True
    (mail,) = await digest(posted, mails, bob, address)
    assert "hello" in text_of(mail)
