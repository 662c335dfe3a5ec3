"""Webhooks in the page: an owner makes and removes one.

A program writes through it.
"""

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson
from tests.browser.looks import findings
from tests.browser.person import PHONE, Person

pytestmark = pytest.mark.browser


def open_webhooks(user: Person) -> None:
    user.page.get_by_role("button", name="In this room").click()
    user.page.get_by_role("menuitemcheckbox", name="Webhooks").click()


def test_owner_makes_uses_and_removes_a_webhook(person: NewPerson, bot: Bot) -> None:
    ada = person("Ada", bypass_csp=True)
    ada.page.get_by_role("button", name="New room").click()
    dialog = ada.page.get_by_role("dialog", name="New room")
    dialog.get_by_role("textbox").first.fill(f"Builds {ada.name}")
    dialog.get_by_role("button", name="Create").click()
    expect(ada.composer).to_be_visible()
    open_webhooks(ada)
    panel = ada.page.get_by_role("complementary", name="Webhooks")
    expect(panel.get_by_text("There is no webhook in this room yet.")).to_be_visible()
    panel.get_by_role("button", name="Make").click()
    expect(panel.get_by_role("alert")).to_have_text("Write a name: messages are shown under it.")
    panel.get_by_role("textbox", name="Name").fill("Build server")
    ada.page.keyboard.press("Enter")
    made = panel.get_by_role("region", name="Build server is ready")
    expect(made).to_be_focused()
    address = made.get_by_role("textbox", name="Address").input_value()
    expect(made.get_by_role("region", name="Try it in a terminal")).to_contain_text("curl -H 'Content-Type: application/json' -d")
    assert not findings(ada.page)
    ada.screenshot("webhooks-made")
    made.get_by_role("button", name="I have copied it").click()
    expect(panel.get_by_text(address)).to_have_count(0)
    expect(panel.get_by_test_id("hook")).to_contain_text("Never used")

    answer = httpx.post(address, json={"text": "Build 41 passed in 3 min 12 s", "username": "CI"}, timeout=15)
    assert answer.status_code == httpx.codes.CREATED, answer.text
    row = ada.rows.last
    expect(row).to_contain_text("Build 41 passed")
    expect(row.locator(".row__author")).to_have_text("CI")
    expect(row.locator(".row__bot")).to_have_text("Bot")
    ada.page.reload()
    open_webhooks(ada)
    expect(panel.get_by_test_id("hook")).to_contain_text("1 message,")
    ada.screenshot("feature-webhooks")
    ada.page.emulate_media(color_scheme="dark")
    ada.screenshot("webhooks-desktop-dark")
    assert not findings(ada.page)
    ada.page.set_viewport_size({"width": 390, "height": 844})
    expect(panel.get_by_test_id("hook")).to_be_in_viewport()
    ada.screenshot("webhooks-phone-dark")
    assert not findings(ada.page)
    ada.page.set_viewport_size({"width": 1280, "height": 800})
    panel.get_by_role("button", name="Remove Build server").click()
    ada.page.get_by_role("dialog", name="Remove Build server?").get_by_role("button", name="Remove").click()
    expect(panel.get_by_text("There is no webhook in this room yet.")).to_be_visible()
    assert httpx.post(address, json={"text": "late"}, timeout=15).status_code == httpx.codes.NOT_FOUND


def test_others_than_owners_see_no_webhooks(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Quiet builds")
    grace = person("Grace", bypass_csp=True, room=room, **PHONE)
    grace.page.get_by_role("button", name="In this room").click()
    expect(grace.page.get_by_role("menuitemcheckbox").first).to_be_visible()
    expect(grace.page.get_by_role("menuitemcheckbox", name="Webhooks")).to_have_count(0)
