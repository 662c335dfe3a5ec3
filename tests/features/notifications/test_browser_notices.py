"""Notifications, sounds, toasts, badges and the title in Chromium.

Each message notifies once, and not while it is on screen.
"""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.bot import Bot
from tests.browser.looks import findings
from tests.browser.person import PHONE, Person
from tests.features.notifications.pages import Watched, ready

pytestmark = pytest.mark.browser

# Longer than the slowest page waits before it claims, and the claim's answer.
SETTLED_MS = 1_500


def raised(*pages: Page) -> list[dict[str, Any]]:
    return [one for page in pages for one in page.evaluate("window.raised")]


def put_behind(page: Page, *, behind: bool = True) -> None:
    page.evaluate("behind => window.putBehind(behind)", behind)


def notified_once(person: Person, *pages: Page) -> dict[str, Any]:
    """Wait for a notification on one of the pages, and check that no other follows."""
    person.waits_for(lambda: bool(raised(*pages)))
    person.page.wait_for_timeout(SETTLED_MS)
    (one,) = raised(*pages)
    return dict(one)


def preferences(person: Person, **changes: Any) -> None:
    """Change settings as another device does."""
    person.page.evaluate(
        """async (changes) => {
            const token = document.cookie.match(/csrftoken=([^;]+)/)[1]
            const headers = {'Content-Type': 'application/json', 'X-CSRFToken': token}
            const answer = await fetch('/api/notifications', {method: 'PATCH', headers, body: JSON.stringify(changes)})
            if (!answer.ok) throw new Error(await answer.text())
        }""",
        changes,
    )


def test_hidden_pages_and_devices_tell_of_a_direct_message_once(watched: Watched, bot: Bot) -> None:
    ada = watched()
    second = ada.new_page()
    second.goto("/chat/")
    ready(ada, second)
    laptop = watched(of=ada)
    pages = (ada.page, second, laptop.page)
    for page in pages:
        put_behind(page)
    bot.write_to(ada.name, "tea?")
    one = notified_once(ada, *pages)
    assert (one["title"], one["body"]) == (bot.name, "tea?")


def test_a_click_on_a_notification_leads_to_the_message(watched: Watched, bot: Bot) -> None:
    ada = watched()
    put_behind(ada.page)
    bot.write_to(ada.name, "look")
    ada.waits_for(lambda: bool(raised(ada.page)))
    put_behind(ada.page, behind=False)
    ada.page.evaluate("window.latest.onclick()")
    expect(ada.page).to_have_url(re.compile(r"/chat/dm-\d+-\d+/1$"))
    ada.sees("look")


def test_reading_on_one_device_closes_another_ones_notification(watched: Watched, bot: Bot) -> None:
    ada = watched()
    phone = watched(of=ada)
    put_behind(ada.page)
    put_behind(phone.page)
    phone.page.evaluate("window.Notification = undefined")  # so that the other one tells
    bot.write_to(ada.name, "read me")
    ada.waits_for(lambda: bool(raised(ada.page)))
    assert raised(ada.page)[0]["open"]
    put_behind(phone.page, behind=False)
    phone.side_link(bot.name).click()
    phone.sees("read me")
    ada.waits_for(lambda: not raised(ada.page)[0]["open"])


def test_message_on_screen_anywhere_notifies_nobody(watched: Watched, bot: Bot) -> None:
    ada = watched()
    laptop = watched(of=ada)
    bot.write_to(ada.name, "first")
    ada.side_link(bot.name).click()
    ada.sees("first")
    put_behind(laptop.page)
    preferences(ada, sound=True)
    bot.write_to(ada.name, "second")
    ada.sees("first", "second")
    ada.page.wait_for_timeout(SETTLED_MS)
    assert raised(ada.page, laptop.page) == []
    assert [page.evaluate("window.sounds") for page in (ada.page, laptop.page)] == [0, 0]
    expect(ada.page.locator(".toast")).to_have_count(0)
    expect(ada.side_link(bot.name).locator(".link__badge")).to_have_count(0)
    expect(ada.page).to_have_title(re.compile(f"^{bot.name}"))


def test_a_visible_page_says_it_in_itself_and_leads_there(watched: Watched, bot: Bot) -> None:
    ada = watched()
    bot.write_to(ada.name, "over here")
    toast = ada.page.locator(".toast", has_text=f"{bot.name}: over here")
    expect(toast).to_be_visible()
    # It lies over the page and takes no room from it.
    assert ada.page.evaluate("document.querySelector('nav.side').offsetHeight === innerHeight")
    ada.screenshot("notified-toast")
    assert raised(ada.page) == []
    toast.get_by_role("button", name="Look at it").click()
    ada.sees("over here")


def test_level_of_a_room_applies_on_every_device(watched: Watched, bot: Bot) -> None:
    room = bot.make_room("Workshop")
    ada = watched()
    ada.open(room)
    phone = watched(of=ada, bypass_csp=True, color_scheme="dark", **PHONE)
    link = phone.side_link("Workshop")
    expect(link).to_be_visible()

    ada.page.get_by_role("button", name="Notifications: only messages that name me").click()
    expect(ada.page.get_by_role("menuitemradio", name="Mentions (default)")).to_be_checked()
    ada.screenshot("notified-levels")
    ada.page.get_by_role("menuitemradio", name="All messages").press("Enter")
    expect(ada.page.get_by_role("button", name="Notifications: all messages")).to_be_visible()
    ada.page.goto("/chat/")
    ready(ada)
    put_behind(ada.page)
    put_behind(phone.page)
    bot.say(room, "for all")
    assert notified_once(ada, ada.page, phone.page)["body"] == "for all"
    expect(link.locator(".link__badge")).to_have_text("1")
    expect(phone.page).to_have_title(re.compile(r"^\(1\) "))

    put_behind(ada.page, behind=False)
    ada.open(room)
    ada.page.get_by_role("button", name="Notifications: all messages").click()
    ada.page.get_by_role("menuitemradio", name="Nothing").click()
    expect(link).to_have_accessible_name(re.compile("muted"))
    ada.page.goto("/chat/")
    ready(ada)
    put_behind(ada.page)
    before = len(raised(ada.page, phone.page))
    bot.say(room, f"@{ada.name} and @room")
    expect(link).to_have_accessible_name(re.compile("muted.*one message names you"))
    phone.page.wait_for_timeout(SETTLED_MS)
    assert len(raised(ada.page, phone.page)) == before
    expect(link.locator(".link__badge")).to_have_count(0)
    expect(phone.page).to_have_title(re.compile("^Hubbub"))
    phone.screenshot("notified-muted-phone-dark")
    assert not findings(phone.page)
    put_behind(phone.page, behind=False)
    link.tap()
    phone.page.get_by_role("button", name="Notifications: none, the room is muted").tap()
    expect(phone.page.get_by_role("menuitemradio", name="Nothing")).to_be_checked()
    phone.screenshot("notified-levels-phone-dark")
    assert not findings(phone.page)


def test_badges_and_title_count_mentions_apart_from_chatter(watched: Watched, bot: Bot) -> None:
    room = bot.make_room("Chatter")
    ada = watched()
    ada.open(room)
    ada.page.goto("/chat/")
    link = ada.side_link("Chatter")
    bot.say(room, "one", "two")
    expect(link).to_have_accessible_name(re.compile("2 new messages"))
    expect(link.locator(".link__badge")).to_have_count(0)
    expect(ada.page).to_have_title("• Hubbub")
    expect(ada.page.locator("link[rel=icon]")).to_have_attribute("type", "image/png")
    bot.say(room, f"@{ada.name} look")
    expect(link.locator(".link__badge")).to_have_text("@1")
    bot.write_to(ada.name, "psst")
    expect(ada.side_link(bot.name).locator(".link__badge")).to_have_text("1")
    expect(ada.page).to_have_title("(2) Hubbub")
    ada.screenshot("notified-badges")
    ada.page.keyboard.press("Shift+Escape")
    expect(ada.page).to_have_title("Hubbub")
    expect(ada.page.locator("link[rel=icon]")).to_have_attribute("type", "image/svg+xml")


def test_quiet_hours_leave_the_number_only(watched: Watched, bot: Bot) -> None:
    ada = watched()
    preferences(ada, sound=True)
    put_behind(ada.page)
    bot.write_to(ada.name, "loud")
    ada.waits_for(lambda: bool(raised(ada.page)) and ada.page.evaluate("window.sounds") > 0)
    heard = ada.page.evaluate("window.sounds")
    preferences(ada, quiet={"from": "00:00", "to": "23:59", "zone": "UTC"})
    bot.write_to(ada.name, "soft")
    expect(ada.side_link(bot.name).locator(".link__badge")).to_have_text("2")
    ada.page.wait_for_timeout(SETTLED_MS)
    assert len(raised(ada.page)) == 1
    assert ada.page.evaluate("window.sounds") == heard
    expect(ada.page).to_have_title(re.compile(r"^\(2\) "))
