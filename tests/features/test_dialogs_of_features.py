"""The dialogs and panels that features bring, by keyboard alone: names, focus, axe, forced colours."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson
from tests.browser.looks import findings
from tests.browser.person import Person

pytestmark = pytest.mark.browser

MENU = "Add to the conversation"
FOCUS_INSIDE = "document.querySelector('dialog[open]').contains(document.activeElement)"
# Controls of which a screen reader says no name.
NAMELESS = """() => [...document.querySelectorAll('dialog[open] :is(button, input, select, textarea, a[href])')]
    .filter((one) => !(one.ariaLabel || one.labels?.length || one.textContent.trim() || one.title))
    .map((one) => one.outerHTML)"""


def entries(page: Page) -> list[str]:
    """Return the names of the entries of the composer's menu."""
    page.get_by_role("button", name=MENU).focus()
    page.keyboard.press("Enter")
    names = page.get_by_role("menuitem").all_inner_texts()
    page.keyboard.press("Escape")
    return [name.strip() for name in names]


def open_entry(user: Person, name: str) -> None:
    user.page.get_by_role("button", name=MENU).focus()
    user.page.keyboard.press("Enter")
    user.page.get_by_role("menuitem", name=name).focus()
    user.page.keyboard.press("Enter")


@pytest.mark.parametrize("colours", ["none", "active"])
def test_dialogs_hold_the_focus_and_give_it_back(person: NewPerson, bot: Bot, colours: str) -> None:
    room = bot.make_room("Keyboard")
    ada = person("Ada", bypass_csp=True, forced_colors=colours)
    ada.open(room)
    trigger = ada.page.get_by_role("button", name=MENU)
    names = entries(ada.page)
    assert len(names) >= 6
    for name in names:
        open_entry(ada, name)
        dialog = ada.page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        expect(dialog).to_have_accessible_name(name)
        ada.waits_for(lambda: ada.page.evaluate(FOCUS_INSIDE))
        assert ada.page.evaluate(NAMELESS) == [], name
        assert findings(ada.page) == [], name
        ada.page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        expect(trigger).to_be_focused()
        # The cross at its top gives the focus back as well.
        open_entry(ada, name)
        dialog.get_by_role("button", name="Close", exact=True).click()
        expect(dialog).to_have_count(0)
        expect(trigger).to_be_focused()
    ada.screenshot(f"dialogs-forced-colours-{colours}")


def test_panels_have_a_name_and_nothing_that_axe_finds(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Panels")
    ada = person("Ada", bypass_csp=True)
    ada.open(room)
    menu = ada.page.get_by_role("button", name="In this room")
    menu.click()
    names = [name.strip() for name in ada.page.get_by_role("menuitemcheckbox").all_inner_texts()]
    ada.page.keyboard.press("Escape")
    assert len(names) >= 4
    for name in names:
        menu.click()
        ada.page.get_by_role("menuitemcheckbox", name=name).click()
        panel = ada.page.get_by_role("complementary", name=name)
        expect(panel).to_be_visible()
        assert findings(ada.page) == [], name
        panel.get_by_role("button", name="Close", exact=True).click()
        expect(panel).to_have_count(0)
