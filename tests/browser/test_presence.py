"""Who is there, in two browsers: online anywhere counts, away after ten minutes, offline when the page is closed."""

import pytest
from playwright.sync_api import expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson

pytestmark = pytest.mark.browser


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
