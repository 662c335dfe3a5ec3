"""Dialogs and menus: the browser's history, and errors of earlier input."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson
from tests.browser.person import PHONE

pytestmark = pytest.mark.browser


def test_back_closes_a_dialog_and_stays_on_the_page(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Underneath")
    ada = person()
    ada.open(room)
    ada.side_link("Underneath").wait_for()
    dialog = ada.page.get_by_role("dialog")
    for name in ("Browse rooms", "New room", "New direct message"):
        ada.page.get_by_role("button", name=name).first.click()
        expect(dialog).to_be_visible()
        ada.page.go_back()
        expect(dialog).to_have_count(0)
        expect(ada.page).to_have_url(re.compile(f"/chat/{room}/$"))
    ada.page.keyboard.press("Control+k")
    expect(dialog).to_be_visible()
    ada.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    ada.page.wait_for_timeout(200)
    ada.page.go_back()
    expect(ada.page).to_have_url(re.compile("/chat/$"))


def test_back_after_a_dialog_led_on_skips_it(person: NewPerson, bot: Bot) -> None:
    first, second = bot.make_room("Origin"), bot.make_room(f"Target {bot.name}")
    ada = person()
    ada.open(first)
    ada.page.keyboard.press("Control+k")
    ada.page.get_by_role("combobox").fill(bot.name)
    expect(ada.page.get_by_role("option").first).to_contain_text("Target")
    ada.page.keyboard.press("Enter")
    expect(ada.page).to_have_url(re.compile(f"/chat/{second}/$"))
    expect(ada.page.get_by_role("dialog")).to_have_count(0)
    ada.page.go_back()
    expect(ada.page).to_have_url(re.compile(f"/chat/{first}/$"))
    expect(ada.composer).to_be_visible()

    ada.page.get_by_role("button", name="Browse rooms").first.click()
    ada.page.get_by_role("button", name="Make a new room").click()
    expect(ada.page.get_by_role("dialog", name="New room")).to_be_visible()
    ada.page.get_by_role("button", name="Cancel").click()
    expect(ada.page.get_by_role("dialog")).to_have_count(0)
    expect(ada.page).to_have_url(re.compile(f"/chat/{first}/$"))


def test_dialog_that_opens_while_another_is_left_stays(person: NewPerson) -> None:
    """A busy browser leaves the entry of a closed dialog late."""
    ada = person()
    expect(ada.status).to_have_text("Connected")
    ada.page.evaluate("() => { const go = history.go.bind(history); history.go = (by) => void setTimeout(go, 400, by) }")
    dialog = ada.page.get_by_role("dialog")
    ada.page.keyboard.press("Control+k")
    expect(dialog).to_be_visible()
    ada.page.keyboard.press("Escape")
    expect(ada.page.locator("dialog")).to_have_count(0)
    ada.page.keyboard.press("Control+k")
    ada.page.wait_for_timeout(1_500)
    expect(dialog).to_be_visible()
    ada.page.go_back()
    expect(dialog).to_have_count(0)
    expect(ada.page).to_have_url(re.compile("/chat/$"))


def test_back_closes_the_members_on_a_phone(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Pocket")
    ada = person("Ada", **PHONE)
    ada.open(room)
    ada.page.get_by_role("button", name="Members").tap()
    members = ada.page.get_by_role("complementary", name="Members")
    expect(members).to_be_visible()
    ada.page.go_back()
    expect(members).to_have_count(0)
    expect(ada.composer).to_be_visible()


def test_an_error_of_the_last_name_goes_when_one_types(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Taken", slug=f"taken-{bot.name}")
    ada = person()
    ada.tolerate("status of 409")
    ada.page.get_by_role("button", name="New room").click()
    name = ada.page.get_by_role("textbox", name="Name")
    name.fill(room)
    ada.page.get_by_role("button", name="Create room").click()
    alert = ada.page.get_by_role("alert")
    expect(alert).to_contain_text("exists already")
    name.press("End")
    name.press("x")
    expect(alert).to_have_count(0)
    expect(name).not_to_have_attribute("aria-invalid", "true")


def test_an_address_in_other_letters_is_the_same_room(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Straße", slug=f"cafe\u0301-strasse-{bot.name}")
    ada = person()
    ada.page.goto(f"/chat/CAFÉ-Straße-{bot.name.upper()}")
    ada.page.get_by_role("button", name="Join the room").click()
    expect(ada.composer).to_be_visible()
    assert ada.page.evaluate("decodeURIComponent(location.pathname)") == f"/chat/café-strasse-{bot.name}/"
    ada.page.goto("/chat/Lobby")
    expect(ada.page.get_by_role("button", name="Join the room").or_(ada.composer)).to_be_visible()
    expect(ada.page).to_have_url(re.compile("/chat/lobby/?$"))
    assert room
