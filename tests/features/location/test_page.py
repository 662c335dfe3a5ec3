"""Two people share their places on a map."""

import io
import json
import re

import pytest
from PIL import Image
from playwright.sync_api import Geolocation, Route, expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson, StartSite
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


# What the browser keeps of shares.
KEPT = "Object.entries(localStorage).filter(([name]) => name.includes('location'))"
TRAIL = "() => document.querySelector('.places-trail')?.getAttribute('d') ?? ''"


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
    expect(people.get_by_role("listitem").filter(has_text=ada.name)).to_contain_text(re.compile(r"now|\d+ s ago"))
    assert bob.page.evaluate(TRAIL).count("L") == 0

    before = pin.bounding_box()
    ada.context.set_geolocation(WARSAW)
    expect(people).to_contain_text("±30 m")
    bob.waits_for(lambda: pin.bounding_box() != before)
    bob.waits_for(lambda: bob.page.evaluate(TRAIL).count("L") == 1)
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
    assert ada.page.evaluate(KEPT) == []
    expect(bob.page.get_by_text("Live location ended")).to_be_visible()
    bob.page.get_by_role("complementary").get_by_role("button", name="Stop sharing").click()
    expect(cid.page.locator(".map-pin")).to_have_count(0)
    expect(bob.page.get_by_text("Nobody shares their location in this room.")).to_be_visible()


def test_place_gets_old_where_nothing_new_comes(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Silence")
    ada = person("Ada")
    later = "window.later = 0; { const { now } = performance; performance.now = () => now.call(performance) + later }"
    ada.context.add_init_script(later)
    ada.open(room)
    share(ada, "15 minutes", "A point on the map")
    ada.page.get_by_role("dialog").get_by_role("button", name="Share", exact=True).click()
    open_map(ada)
    pin = ada.page.locator(".map-pin")
    place = ada.page.get_by_role("list", name="People on the map").get_by_role("listitem")
    expect(place).to_contain_text(re.compile(r"now|\d s ago"))
    ada.page.evaluate("later = 40_000")
    expect(place).to_contain_text(re.compile(r"4\d s ago"))
    expect(pin).not_to_have_class(re.compile("map-pin--old"))
    ada.page.evaluate("later = 70_000")
    expect(place).to_contain_text("1 min ago")
    expect(pin).to_have_class(re.compile("map-pin--old"))


def test_map_is_loaded_when_it_is_opened_and_from_here_alone(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Own map")
    ada = person("Ada")
    asked: list[str] = []
    ada.page.on("request", lambda request: asked.append(request.url))

    def library_is_there() -> bool:
        scripts = {url for url in asked if url.endswith(".js")}
        assert scripts
        return any("leaflet-container" in ada.context.request.get(url).text() for url in scripts)

    ada.open(room)
    ada.page.wait_for_load_state("networkidle")
    assert not library_is_there()
    open_map(ada)
    assert library_is_there()
    origin = ada.page.evaluate("location.origin")
    assert [url for url in asked if not url.startswith((f"{origin}/", "data:", "blob:"))] == []


def test_signing_out_ends_a_share(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Shared browser")
    bob = person("Bob", room=room)
    ada = person("Ada", room=room, geolocation=BERLIN, permissions=["geolocation"])
    share(ada, "Until I stop", "This device’s")
    ada.page.get_by_role("dialog").get_by_role("button", name="Share", exact=True).click()
    expect(ada.page.get_by_text(re.compile("You share your location until"))).to_be_visible()
    open_map(bob)
    expect(bob.page.locator(".map-pin")).to_have_count(1)
    (kept,) = ada.page.evaluate(KEPT)
    assert str(BERLIN["latitude"]) not in kept[1]
    ada.page.get_by_role("button", name="Account of").click()
    ada.page.get_by_role("menuitem", name="Sign out").click()
    expect(ada.page).to_have_url(re.compile("/accounts/sign-in/"))
    assert ada.page.evaluate(KEPT) == []
    expect(bob.page.locator(".map-pin")).to_have_count(0)
    expect(bob.page.get_by_text("Live location ended")).to_be_visible()


def drawn(user: Person) -> str:
    """Return what is on the simple page's map."""
    return str(user.page.evaluate("document.getElementById('map').toDataURL()"))


def test_simple_page_draws_places_of_two_people(person: NewPerson) -> None:
    ada = person("Ada", geolocation=WARSAW, permissions=["geolocation"])
    bob = person("Bob", color_scheme="dark", **PHONE)
    for one in (ada, bob):
        one.page.goto("/demo/location/")
        expect(one.page.locator("#state")).to_have_text("connected")
    empty = drawn(bob)
    ada.page.get_by_role("button", name="Share where I am").click()
    for one in (ada, bob):
        expect(one.page.locator("#list")).to_contain_text(f"{ada.name}: 52.2300, 21.0100")
    assert drawn(bob) != empty
    alone = drawn(bob)
    # The middle of the map is on the equator and the meridian of Greenwich.
    bob.page.locator("#map").tap()
    for one in (ada, bob):
        expect(one.page.locator("#list")).to_contain_text(re.compile(rf"{bob.name}: -?0\.\d+, -?0\.\d+"))
    assert drawn(bob) != alone
    picture(ada, "demo")
    picture(bob, "demo-phone-dark")
    ada.page.close()
    expect(bob.page.locator("#list")).not_to_contain_text(ada.name)


def test_tiles_come_from_where_the_operator_says(start_site: StartSite, person: NewPerson) -> None:
    site = start_site(TILES_URL="https://tiles.example.org/{z}/{x}/{y}.png", TILES_ATTRIBUTION="The Map Makers")
    with Bot(site.base_url) as bot:
        room = bot.make_room("Tiles")
    ada = person("Ada", base_url=site.base_url)
    asked: list[str] = []
    png = io.BytesIO()
    Image.new("RGB", (256, 256), "#88aa99").save(png, "PNG")

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(body=png.getvalue(), content_type="image/png")

    ada.context.route("https://tiles.example.org/**", answer)
    ada.open(room)
    share(ada, "15 minutes", "A point on the map")
    dialog = ada.page.get_by_role("dialog")
    expect(dialog.locator("img.leaflet-tile-loaded").first).to_be_visible()
    expect(dialog.get_by_text("The Map Makers")).to_be_visible()
    expect(dialog.locator(".atlas")).to_have_count(0)
    assert all(re.fullmatch(r"https://tiles\.example\.org/\d+/-?\d+/-?\d+\.png", url) for url in asked), asked


def test_point_is_dragged_to_its_place(person: NewPerson, bot: Bot) -> None:
    ada = person("Ada", room=bot.make_room("Drag"))
    share(ada, "15 minutes", "A point on the map")
    dialog = ada.page.get_by_role("dialog")
    pin = dialog.locator(".map-pin")
    pin.hover()
    before = pin.bounding_box()
    assert before
    ada.page.mouse.down()
    ada.page.mouse.move(before["x"] + 78, before["y"] + 58, steps=4)
    ada.page.mouse.up()
    dialog.get_by_role("button", name="Share", exact=True).click()
    expect(ada.page.get_by_text(re.compile("You share your location until"))).to_be_visible()
    ada.waits_for(lambda: bool(places(ada)))
    # It was at 48° north, 11° east: south and east of there.
    first = places(ada)[0]
    assert first["latitude"] < 47.5
    assert first["longitude"] > 11.5


def places(user: Person) -> list[dict[str, float]]:
    """Return the places that the page has sent."""
    frames = [json.loads(frame) for frame in user.sent]
    return [frame for frame in frames if frame["type"] == "location.update"]
