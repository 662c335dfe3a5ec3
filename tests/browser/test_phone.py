import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson
from tests.browser.person import PHONE, SMALL_PHONE

pytestmark = pytest.mark.browser


def test_one_pane_at_a_time_with_a_way_back(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("On the way")
    ada = person("Ada", **PHONE)
    side = ada.page.get_by_role("navigation", name="Conversations")
    expect(side).to_be_visible()
    ada.open(room)
    expect(side).to_be_hidden()
    ada.composer.fill("from the train")
    ada.composer.press("Enter")
    ada.composer.press_sequentially("second line")
    ada.page.get_by_role("button", name="Send").tap()
    ada.sees("from the train\nsecond line")

    ada.page.get_by_role("button", name="Members").tap()
    members = ada.page.get_by_role("complementary", name="Members")
    expect(members).to_contain_text(ada.name)
    ada.page.get_by_role("button", name="Close members").tap()
    ada.page.get_by_role("link", name="Back to all conversations").tap()
    expect(side).to_be_visible()
    expect(ada.composer).to_be_hidden()
    ada.side_link("On the way").tap()
    ada.sees("from the train\nsecond line")
    ada.page.go_back()
    expect(side).to_be_visible()


@pytest.mark.parametrize("phone", [PHONE, SMALL_PHONE], ids=["390", "360"])
def test_phone_page_fits_the_screen_and_targets_suit_fingers(person: NewPerson, bot: Bot, phone: dict[str, Any]) -> None:
    room = bot.make_room("A room whose name goes on where others would have ended long ago", slug=f"long-{bot.name}")
    ada = person("Ada", room=room, **phone)
    ada.say("x" * 300, "https://example.org/" + "y" * 200)
    expect(ada.rows).to_have_count(2)
    assert ada.page.evaluate("document.scrollingElement.scrollWidth") == phone["viewport"]["width"]
    assert ada.messages.evaluate("list => list.scrollWidth - list.clientWidth") == 0
    expect(ada.page.get_by_role("button", name="Send")).to_be_in_viewport(ratio=1)
    for control in ada.page.get_by_role("button").or_(ada.page.get_by_role("link", name=re.compile("Back"))).all():
        if not control.is_visible():
            continue
        box = control.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44, control.evaluate("element => element.outerHTML")


@pytest.mark.parametrize("phone", [PHONE, SMALL_PHONE], ids=["390", "360"])
def test_menus_of_a_room_are_whole_on_a_phone(person: NewPerson, bot: Bot, phone: dict[str, Any]) -> None:
    ada = person("Ada", room=bot.make_room("Menus"), **phone)
    triggers = ada.page.locator("header button[aria-haspopup=menu]")
    expect(triggers).to_have_count(3)
    for number in range(3):
        triggers.nth(number).tap()
        box = ada.page.get_by_role("menu").bounding_box()
        assert box is not None
        assert box["x"] >= 4
        assert box["x"] + box["width"] <= phone["viewport"]["width"] - 4
        ada.screenshot(f"menu-{number}-{phone['viewport']['width']}")
        ada.page.keyboard.press("Escape")
