"""Mentions in the page: completed while typing, counted apart, and one key away."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson
from tests.browser.looks import findings
from tests.browser.person import PHONE

pytestmark = pytest.mark.browser


def test_name_is_completed_counted_and_one_key_away(person: NewPerson, bot: Bot) -> None:
    room, other = bot.make_room("Garden"), bot.make_room("Shed")
    ada = person("Ada", bypass_csp=True, room=room)
    grace = person("Grace", bypass_csp=True, color_scheme="dark", room=room, **PHONE)
    grace.open(other)
    ada.composer.focus()
    ada.page.keyboard.type("hello @grac")
    offers = ada.page.get_by_role("listbox", name="People").get_by_role("option")
    expect(offers).to_have_count(1)
    ada.screenshot("mention-completion")
    assert not findings(ada.page)
    ada.page.keyboard.press("Enter")
    expect(ada.composer).to_have_value(f"hello @{grace.name} ")
    ada.page.keyboard.type("and @nobody")
    ada.page.keyboard.press("Enter")
    ada.say("and this is for the room")
    ada.all_sent()
    expect(ada.messages.locator(".name", has_text=f"@{grace.name}")).to_be_visible()

    grace.page.goto("/chat/")
    link = grace.side_link("Garden")
    expect(link).to_have_accessible_name(re.compile("one message names you , 2 new messages"))
    grace.screenshot("mention-count-phone-dark")
    assert not findings(grace.page)
    grace.page.get_by_role("button", name="Next mention").tap()
    expect(grace.page).to_have_url(f"/chat/{room}/1")
    expect(grace.messages.locator(".name--me")).to_have_text(f"@{grace.name}")
    grace.screenshot("mention-row-phone-dark")
    grace.page.keyboard.press("Control+End")
    expect(grace.page.get_by_role("button", name="Next mention")).to_have_count(0)


def test_key_leads_from_mention_to_mention(person: NewPerson, bot: Bot) -> None:
    first, second, other = bot.make_room("Garden"), bot.make_room("Shed"), bot.make_room("Elsewhere")
    ada = person("Ada", room=first)
    ada.open(second)
    ada.open(other)
    bot.say(first, f"@{ada.name} the first")
    bot.say(second, "not you", f"@{ada.name} the second")
    expect(ada.side_link("Shed")).to_have_accessible_name(re.compile("one message names you"))
    for room, seq in ((first, 1), (second, 2)):
        ada.composer.focus()
        ada.page.keyboard.press("Control+Shift+M")
        expect(ada.page).to_have_url(f"/chat/{room}/{seq}")
        expect(ada.messages.locator(".name--me")).to_be_in_viewport()
