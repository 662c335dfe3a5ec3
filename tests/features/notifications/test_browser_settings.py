"""Notification settings in Chromium, on two devices at once.

The service worker shows Web Push.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.bot import Bot
from tests.browser.looks import findings
from tests.browser.person import PHONE
from tests.features.notifications.pages import Watched, open_settings, ready

pytestmark = pytest.mark.browser

PUSH_SERVICE = Path(__file__).with_name("push_service.js").read_text()
# A browser that has not been asked yet.
UNASKED = """
let answered = 'default'
window.asked = 0
Object.defineProperty(window.Notification, 'permission', {get: () => answered})
window.Notification.requestPermission = async () => {
    window.asked++
    return (answered = 'granted')
}
"""
BLOCKED = "Object.defineProperty(window.Notification, 'permission', {get: () => 'denied'})"
SHOWN = """async () => {
    const registration = await navigator.serviceWorker.ready
    return (await registration.getNotifications()).map(({title, body, tag}) => ({title, body, tag}))
}"""


class Worker:
    """Hands a page's service worker a push, as a push service would."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._session = page.context.new_cdp_session(page)
        self._known: list[dict[str, Any]] = []
        self._session.on("ServiceWorker.workerRegistrationUpdated", lambda event: self._known.extend(event["registrations"]))
        self._session.send("ServiceWorker.enable")

    def is_there(self) -> bool:
        return bool(self._known)

    def push(self, room: str, body: str) -> None:
        """Push the first message of a room."""
        data = json.dumps({"room": room, "seq": 1, "title": "Bob", "body": body, "tag": f"room-{room}"})
        (number,) = {one["registrationId"] for one in self._known}
        origin = self._page.evaluate("location.origin")
        self._session.send("ServiceWorker.deliverPushMessage", {"origin": origin, "registrationId": number, "data": data})


def test_the_browser_is_asked_on_a_click_only(watched: Watched) -> None:
    ada = watched(allowed=False, script=UNASKED)
    dialog = open_settings(ada)
    assert ada.page.evaluate("window.asked") == 0
    expect(dialog.get_by_role("switch", name="Show notifications")).to_have_count(0)
    dialog.get_by_role("button", name="Allow notifications").click()
    expect(dialog.get_by_role("switch", name="Show notifications")).to_be_checked()
    assert ada.page.evaluate("window.asked") == 1
    ada.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_a_browser_that_blocks_notifications_is_explained(watched: Watched) -> None:
    ada = watched(allowed=False, script=BLOCKED, bypass_csp=True)
    dialog = open_settings(ada)
    expect(dialog.get_by_text("This browser blocks notifications from Hubbub.")).to_be_visible()
    expect(dialog.get_by_role("switch", name="Show notifications")).to_have_count(0)
    ada.screenshot("notifications-denied")
    assert not findings(ada.page)


def test_settings_are_right_on_a_second_device_at_once(watched: Watched) -> None:
    ada = watched(bypass_csp=True, timezone_id="Europe/Berlin")
    phone = watched(of=ada, bypass_csp=True, color_scheme="dark", timezone_id="Europe/Berlin", **PHONE)
    here, there = open_settings(ada), open_settings(phone)
    here.get_by_role("switch", name="Play a sound").press("Space")
    expect(there.get_by_role("switch", name="Play a sound")).to_be_checked()
    there.get_by_role("switch", name="Show notifications").tap()
    expect(here.get_by_role("switch", name="Show notifications")).not_to_be_checked()
    here.get_by_role("switch", name="Do not disturb me").check()
    expect(there.get_by_label("From", exact=True)).to_have_value("22:00")
    expect(there.get_by_label("Time zone")).to_have_value("Europe/Berlin")
    there.get_by_label("To", exact=True).fill("08:30")
    there.get_by_label("To", exact=True).blur()
    expect(here.get_by_label("To", exact=True)).to_have_value("08:30")
    here.get_by_role("button", name="Listen").click()
    ada.waits_for(lambda: ada.page.evaluate("window.sounds") == 2)
    for one, name in ((ada, "notifications-desktop"), (phone, "notifications-phone-dark")):
        one.screenshot(name)
        assert not findings(one.page)
    ada.page.reload()
    ready(ada)
    here = open_settings(ada)
    expect(here.get_by_role("switch", name="Play a sound")).to_be_checked()
    expect(here.get_by_label("To", exact=True)).to_have_value("08:30")


def test_web_push_is_turned_on_here_and_off_from_elsewhere(watched: Watched) -> None:
    ada = watched(script=PUSH_SERVICE)
    laptop = watched(of=ada, script=PUSH_SERVICE)
    dialog = open_settings(ada)
    switch = dialog.get_by_role("switch", name="Also while Hubbub is closed")
    switch.click()
    expect(switch).to_be_checked()
    expect(dialog.get_by_role("button", name="Remove Chrome on Linux")).to_be_visible()
    asked = ada.page.evaluate("window.subscribed")
    assert asked["userVisibleOnly"] is True
    assert len(asked["applicationServerKey"]) == 87  # a point of P-256 in base64url
    ada.screenshot("notifications-devices")
    dialog.get_by_role("button", name="Send a test").click()
    expect(dialog.get_by_text("A test is on its way to your device with Web Push.")).to_be_visible()
    assert [one["title"] for one in ada.page.evaluate("window.raised")] == ["Hubbub"]
    there = open_settings(laptop)
    expect(there.get_by_role("switch", name="Also while Hubbub is closed")).not_to_be_checked()
    there.get_by_role("button", name="Remove Chrome on Linux").click()
    expect(there.get_by_role("button", name="Remove Chrome on Linux")).to_have_count(0)


def test_signing_out_ends_the_web_push_of_this_browser(watched: Watched) -> None:
    ada = watched(script=PUSH_SERVICE)
    laptop = watched(of=ada)
    dialog = open_settings(ada)
    dialog.get_by_role("switch", name="Also while Hubbub is closed").click()
    expect(dialog.get_by_role("button", name="Remove Chrome on Linux")).to_be_visible()
    ada.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    ada.page.get_by_role("button", name="Account of").click()
    ada.page.get_by_role("menuitem", name="Sign out").click()
    expect(ada.page).to_have_url(re.compile("/accounts/sign-in/"))
    there = open_settings(laptop)
    expect(there.get_by_role("heading", name="Devices with Web Push")).to_have_count(0)


def test_a_push_is_shown_unless_its_room_is_in_front_of_somebody(watched: Watched, bot: Bot) -> None:
    room = bot.make_room("Pushed")
    ada = watched(script=PUSH_SERVICE)
    ada.open(room)
    dialog = open_settings(ada)
    dialog.get_by_role("switch", name="Also while Hubbub is closed").click()
    expect(dialog.get_by_role("button", name="Remove Chrome on Linux")).to_be_visible()
    ada.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    answer = ada.page.request.get("/sw.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cache-control"] == "no-cache"

    worker = Worker(ada.page)
    ada.waits_for(worker.is_there)
    worker.push(room, "seen")
    worker.push("elsewhere", "unseen")
    ada.waits_for(lambda: bool(ada.page.evaluate(SHOWN)))
    assert ada.page.evaluate(SHOWN) == [{"title": "Bob", "body": "unseen", "tag": "room-elsewhere"}]

    ada.page.evaluate("window.putBehind(true)")
    bot.say(room, "one")
    ada.sees("one")
    other = ada.new_page()
    other.goto("/chat/")
    for page in (ada.page, other):
        ada.context.new_cdp_session(page).send("Emulation.setFocusEmulationEnabled", {"enabled": False})
    other.bring_to_front()
    worker.push(room, "behind")
    ada.waits_for(lambda: len(other.evaluate(SHOWN)) == 2)
    # It is read: the notification goes.
    ada.page.bring_to_front()
    ada.page.evaluate("window.putBehind(false)")
    ada.waits_for(lambda: [one["tag"] for one in other.evaluate(SHOWN)] == ["room-elsewhere"])
