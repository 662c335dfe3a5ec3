"""The dialogs and panels of features, by keyboard alone.

The tests check names, focus, axe and forced colours.
"""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson
from tests.browser.looks import findings
from tests.browser.person import PHONE, Person

pytestmark = pytest.mark.browser

MENU = "Add to the conversation"
FOCUS_INSIDE = "document.querySelector('dialog[open]').contains(document.activeElement)"
# Controls of which a screen reader says no name.
NAMELESS = """() => [...document.querySelectorAll('dialog[open] :is(button, input, select, textarea, a[href])')]
    .filter((one) => !(one.ariaLabel || one.labels?.length || one.textContent.trim() || one.title))
    .map((one) => one.outerHTML)"""
# The dialog is as wide as its content.
FITS = """() => {
    const body = document.querySelector('dialog[open] .dialog__body')
    return body.scrollWidth <= body.clientWidth
}"""
# Whether something else lies over the middle of an element, or the dialog is not scrolled to it.
COVERED = """(one) => {
    const { left, top, width, height } = one.getBoundingClientRect()
    return !one.contains(document.elementFromPoint(left + width / 2, top + height / 2))
}"""


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
    ada = person("Ada", bypass_csp=True, forced_colors=colours, room=room)
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
    ada = person("Ada", bypass_csp=True, room=room)
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


@pytest.mark.parametrize("options", [{}, PHONE], ids=["desktop", "phone"])
def test_long_dialog_covers_and_cuts_off_nothing(person: NewPerson, bot: Bot, options: dict[str, Any]) -> None:
    room = bot.make_room("Long dialogs")
    ada = person("Ada", **options)
    ada.open(room)
    dialog = ada.page.get_by_role("dialog")
    for name in ("New poll", "New survey"):
        open_entry(ada, name)
        dialog.get_by_role("combobox", name="Closes").select_option("at")
        expect(dialog.get_by_label("Date and time")).to_be_visible()
        assert ada.page.evaluate(FITS), name
        ada.screenshot(f"dialog-{name.lower().replace(' ', '-')}-{'phone' if options else 'desktop'}")
        ada.page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
    open_entry(ada, "New quiz")
    dialog.get_by_role("textbox", name="Title").fill("Sums")
    dialog.get_by_role("button", name="Add a question").click()
    texts = dialog.get_by_role("textbox", name="What do you ask?")
    expect(texts).to_have_count(2)
    expect(texts.last).to_be_focused()
    ada.waits_for(lambda: not texts.last.evaluate(COVERED))
    for index, remove in enumerate(dialog.get_by_role("button", name=re.compile("Remove question")).all()):
        field, button = texts.nth(index).bounding_box(), remove.bounding_box()
        assert field is not None
        assert button is not None
        assert field["x"] + field["width"] <= button["x"], "the button lies over the field"
    texts.first.focus()
    dialog.get_by_role("button", name="Create quiz").click()
    ada.waits_for(lambda: not dialog.get_by_role("alert").evaluate(COVERED))
    assert ada.page.evaluate(FITS)
    ada.screenshot(f"dialog-new-quiz-{'phone' if options else 'desktop'}")
