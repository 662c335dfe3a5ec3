"""Presence in two browsers: online, away and offline.

A person online in any browser is online, away after ten minutes, and offline when the page or its browser ends.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser.bot import Bot
from tests.browser.conftest import ARGUMENTS, HEADLESS_SHELL, NewPerson
from tests.browser.own_browser import OwnBrowser
from tests.browser.person import Person
from tests.support.server import Server

pytestmark = pytest.mark.browser

# A killed browser leaves its sockets to the kernel, which closes them; the server waits 0.75 s for a reload.
OFFLINE_MS = 4_000


@pytest.fixture
def own_browser(browser: Browser, tmp_path: Path) -> Iterator[OwnBrowser]:
    with OwnBrowser(HEADLESS_SHELL, ARGUMENTS, tmp_path / "profile", browser.browser_type) as one:
        yield one


def group_of(one: Person, name: str) -> Locator:
    """Return a person's part of the members' list: it begins with their state."""
    return one.page.get_by_role("complementary", name="Members").locator("section", has_text=name)


def test_killed_browser_is_offline_within_seconds(person: NewPerson, bot: Bot, site: Server, own_browser: OwnBrowser) -> None:
    shared = [bot.make_room("First floor"), bot.make_room("Second floor")]
    elsewhere = bot.make_room("Roof")
    ada = person("Ada")
    bob = Person(own_browser.browser, site.base_url, "Bob")
    bob.sign_up()
    for room in [*shared, elsewhere]:
        bob.open(room)
    # His page has joined one room since it was loaded, and he is online in all of them.
    bob.open(elsewhere)
    joined = [frame["room"] for frame in bob.frames_sent("room.join")]
    assert joined[-1] == elsewhere
    for room in shared:
        ada.open(room)
        expect(group_of(ada, bob.name)).to_contain_text("Online")
    own_browser.kill()
    expect(group_of(ada, bob.name)).to_contain_text("Offline", timeout=OFFLINE_MS)
    ada.page.goto(f"/chat/{shared[0]}/")
    expect(group_of(ada, bob.name)).to_contain_text("Offline")


def test_idle_person_is_away_when_no_device_is_in_use(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Two desks")
    ada, bob = person("Ada"), person("Bob")
    # A clock belongs to all pages of a browser context: the second device is a context of its own.
    second = person(bob.name, exact_name=True, signed_up=False)
    ada.open(room)
    bob.page.clock.install()
    bob.open(room)
    second.page.clock.install()
    second.sign_in()
    expect(second.status).to_have_text("Connected")
    group = group_of(ada, bob.name)
    expect(group).to_contain_text("Online")
    bob.page.clock.fast_forward("09:30")
    bob.page.wait_for_timeout(1_500)
    assert not bob.frames_sent("activity")
    bob.page.clock.fast_forward("01:00")
    bob.waits_for(lambda: [frame["state"] for frame in bob.frames_sent("activity")] == ["away"])
    ada.page.wait_for_timeout(2_500)
    expect(group).to_contain_text("Online")
    second.page.clock.fast_forward("10:30")
    expect(group).to_contain_text("Away")
    second.page.mouse.move(30, 30)
    expect(group).to_contain_text("Online")


def test_person_in_another_room_is_online_then_away(person: NewPerson, bot: Bot) -> None:
    room, other = bot.make_room("Where people meet"), bot.make_room("Somewhere else")
    ada, bob = person("Ada"), person("Bob")
    ada.open(room)
    bob.page.clock.install()
    bob.open(room)
    bob.open(other)
    bob.page.reload()
    members = ada.page.get_by_role("complementary", name="Members")
    group = members.locator("section", has_text=bob.name)
    expect(group).to_contain_text("Online")
    ada.screenshot("presence-online")
    bob.page.clock.fast_forward("10:30")
    expect(group).to_contain_text("Away")
    ada.screenshot("presence-away")
    bob.page.mouse.move(20, 20)
    expect(group).to_contain_text("Online")
    bob.close()
    expect(group).to_contain_text("Offline")
    ada.screenshot("presence-offline")
