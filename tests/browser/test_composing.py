"""Keys that belong to an input method: they end a composition and do nothing else."""

import pytest
from playwright.sync_api import expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson
from tests.browser.person import Person

pytestmark = pytest.mark.browser

# Safari's last key of a composition comes after its end, with this code.
PROCESSED = 229


def press_as_safari(user: Person, key: str) -> None:
    line = user.context.new_cdp_session(user.page)
    for kind in ("rawKeyDown", "keyUp"):
        line.send("Input.dispatchKeyEvent", {"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": PROCESSED})
    line.detach()


def test_enter_that_ends_a_composition_sends_nothing(person: NewPerson, bot: Bot) -> None:
    ada = person("Ada", room=bot.make_room("Kana"))
    ada.composer.fill("にほ")
    press_as_safari(ada, "Enter")
    expect(ada.composer).to_have_value("にほ")
    assert ada.frames_sent("message.send") == []
    ada.composer.press("Enter")
    ada.sees("にほ")


def test_enter_in_a_composition_opens_no_entry(person: NewPerson, bot: Bot) -> None:
    title = f"Kanji {bot.name}"
    bot.make_room(title)
    ada = person()
    ada.page.keyboard.press("Control+k")
    search = ada.page.get_by_role("combobox")
    search.fill(title)
    expect(ada.page.get_by_role("option").first).to_contain_text(title)
    search.dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    press_as_safari(ada, "Enter")
    press_as_safari(ada, "Escape")
    expect(search).to_be_visible()
    search.press("Enter")
    expect(ada.page.get_by_role("heading", name=f"You are not in {title} yet")).to_be_visible()
