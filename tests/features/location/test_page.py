"""Two people share their places on a map."""

import re

import pytest
from playwright.sync_api import Geolocation, expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson
from tests.browser.looks import findings
from tests.browser.person import PHONE, SCREENSHOTS, Person

pytestmark = pytest.mark.browser

BERLIN: Geolocation = {"latitude": 52.52, "longitude": 13.405, "accuracy": 4_000}
WARSAW: Geolocation = {"latitude": 52.23, "longitude": 21.01, "accuracy": 30}


def share(user: Person, seconds: str, where: str) -> None:
    user.page.locator(".composer-menu button").first.click()
    user.page.get_by_role("menuitem", name="Share my location").click()
    dialog = user.page.get_by_role("dialog")
    dialog.get_by_label(seconds).check()
    dialog.get_by_label(where).check()


def open_map(user: Person) -> None:
    user.page.get_by_role("button", name="In this room").click()
    user.page.get_by_role("menuitemcheckbox", name="Map").click()
    expect(user.page.locator(".map .atlas").first).to_be_attached()


def picture(user: Person, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    user.page.wait_for_timeout(400)
    user.page.screenshot(path=SCREENSHOTS / f"location-{name}.png")


def test_people_see_each_other_move_until_they_stop(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Hike")
    here = {"geolocation": BERLIN, "permissions": ["geolocation"]}
    ada, bob = person("Ada", room=room, **here), person("Bob", color_scheme="dark", bypass_csp=True, room=room)
    share(ada, "15 minutes", "This device’s")
    ada.page.get_by_role("dialog").get_by_role("button", name="Share", exact=True).click()
    expect(ada.page.get_by_text(re.compile("You share your location until"))).to_be_visible()

    expect(bob.page.get_by_text("Live location", exact=True)).to_be_visible()
    open_map(bob)
    pin = bob.page.locator(f".map-pin[title='{ada.name}']")
    expect(pin).to_be_visible()
    people = bob.page.get_by_role("list", name="People on the map")
    expect(people).to_contain_text("±4,000 m")
    share(bob, "Until I stop", "A point on the map")
    picture(bob, "dialog-dark")
    point = bob.page.get_by_role("dialog").locator(".map-pin")
    point.focus()
    point.press("ArrowRight")
    assert findings(bob.page) == []
    bob.page.get_by_role("dialog").get_by_role("button", name="Share", exact=True).click()
    expect(people.get_by_role("listitem")).to_have_count(2)

    before = pin.bounding_box()
    ada.context.set_geolocation(WARSAW)
    expect(people).to_contain_text("±30 m")
    bob.waits_for(lambda: pin.bounding_box() != before)
    picture(bob, "desktop-dark")
    assert findings(bob.page) == []

    # Late, on a phone, in the light.
    cid = person("Cid", bypass_csp=True, room=room, **PHONE)
    cid.page.get_by_role("button", name="Show on the map").first.click()
    expect(cid.page.locator(".map-pin")).to_have_count(2)
    picture(cid, "phone-light")
    assert findings(cid.page) == []
    cid.page.keyboard.press("Escape")

    # A reload goes on with the share; stopping removes the place everywhere.
    ada.page.reload()
    expect(ada.page.get_by_text(re.compile("You share your location until"))).to_be_visible()
    open_map(ada)
    expect(ada.page.locator(".map-pin")).to_have_count(2)
    picture(ada, "desktop-light")
    ada.page.get_by_role("status").get_by_role("button", name="Stop sharing").click()
    for one in (ada, bob, cid):
        expect(one.page.locator(".map-pin")).to_have_count(1)
    expect(bob.page.get_by_text("Live location ended")).to_be_visible()
    bob.page.get_by_role("complementary").get_by_role("button", name="Stop sharing").click()
    expect(cid.page.locator(".map-pin")).to_have_count(0)
    expect(bob.page.get_by_text("Nobody shares their location in this room.")).to_be_visible()


def test_simple_page_draws_places(person: NewPerson) -> None:
    ada = person("Ada", geolocation=WARSAW, permissions=["geolocation"])
    ada.page.goto("/demo/location/")
    expect(ada.page.locator("#state")).to_have_text("connected")
    ada.page.get_by_role("button", name="Share where I am").click()
    expect(ada.page.locator("#list")).to_contain_text(f"{ada.name}: 52.2300, 21.0100")
    picture(ada, "demo")
