"""Charts of sensors beside the messages."""

import json
import math
import secrets
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect
from websockets.sync.client import connect

from tests.browser.conftest import NewPerson
from tests.browser.looks import findings
from tests.browser.person import PHONE, SCREENSHOTS, Person
from tests.support.server import Server

pytestmark = pytest.mark.browser

SENSORS = 20
PER_S = 10
FRAMES = """() => new Promise((resolve) => {
  let frames = 0
  const begun = performance.now()
  const next = (now) => (frames++, now - begun < 3000 ? requestAnimationFrame(next) : resolve(frames / ((now - begun) / 1000)))
  requestAnimationFrame(next)
})"""


def picture(user: Person, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    user.page.wait_for_timeout(400)
    user.page.screenshot(path=SCREENSHOTS / f"sensors-{name}.png")


def push_until(stop: threading.Event, site: Server, room: str, cookie: str) -> None:
    headers = {"Cookie": cookie, "Origin": site.base_url}
    with connect(site.ws_url(), additional_headers=headers, max_size=None) as socket:
        while not stop.wait(1 / PER_S):
            now = time.time()
            readings = [
                {"sensor_id": f"sensor {n:02}", "value": round(20 + n + 3 * math.sin(now / 5 + n), 2)} for n in range(SENSORS)
            ]
            socket.send(json.dumps({"type": "sensor.push", "room": room, "readings": readings}))
            while json.loads(socket.recv(timeout=10))["type"] != "ok":
                pass


def span(url: str) -> timedelta | None:
    """Return the time that a request for readings asks for."""
    if "/series?" not in url:
        return None
    fields = parse_qs(urlsplit(url).query)
    begun, ended = (datetime.fromisoformat(fields[name][0]) for name in ("from", "to"))
    return ended - begun


def open_charts(user: Person) -> None:
    user.page.get_by_role("button", name="In this room").click()
    user.page.get_by_role("menuitemcheckbox", name="Sensors").click()
    expect(user.page.get_by_role("img", name="Chart of sensor 00")).to_be_visible()


def room_of(user: Person) -> str:
    """Make a room of this person's."""
    cookies = {one["name"]: one["value"] for one in user.context.cookies()}
    room = f"greenhouse-{secrets.token_hex(3)}"
    answer = user.context.request.post(
        "/api/rooms", data={"slug": room, "title": "Greenhouse"}, headers={"X-CSRFToken": cookies["csrftoken"]}
    )
    assert answer.ok, answer.text()
    return room


def test_many_sensors_are_drawn_live(person: NewPerson, site: Server) -> None:
    ada = person("Ada")
    room = room_of(ada)
    cookies = {one["name"]: one["value"] for one in ada.context.cookies()}
    ada.open(room)
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    stop = threading.Event()
    device = threading.Thread(target=push_until, args=(stop, site, room, cookie), daemon=True)
    device.start()
    try:
        bob = person("Bob", color_scheme="dark", bypass_csp=True, room=room)
        for one in (ada, bob):
            open_charts(one)
            expect(one.page.locator(".uplot")).to_have_count(SENSORS)
        bob.page.wait_for_timeout(5_000)
        picture(bob, "desktop-dark")
        picture(ada, "desktop-light")
        rate = bob.page.evaluate(FRAMES)
        assert rate > 30, f"{rate:.0f} frames a second; a free machine holds 55"
        assert findings(bob.page) == []
        ada.page.get_by_role("button", name="Alarm of sensor 00").click()
        ada.page.get_by_label("Above").fill("5")
        picture(ada, "alarm")
        ada.page.get_by_role("dialog").get_by_role("button", name="Save").click()
        expect(bob.messages.get_by_text("⚠️ sensor 00 is")).to_be_visible()
        cid = person("Cid", bypass_csp=True, room=room, **PHONE)
        open_charts(cid)
        with cid.page.expect_request(lambda request: span(request.url) == timedelta(hours=1)) as asked:
            cid.page.get_by_label("1 hour").check()
        answer = asked.value.response()
        assert answer is not None
        assert answer.ok
        picture(cid, "phone-light")
        assert findings(cid.page) == []
    finally:
        stop.set()
        device.join(5)


@pytest.mark.parametrize("options", [{"color_scheme": "light"}, {"color_scheme": "dark", **PHONE}])
def test_chart_without_values_says_so(person: NewPerson, options: dict[str, Any]) -> None:
    ada = person("Ada", bypass_csp=True, **options)
    room = room_of(ada)
    old = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    reading = {"sensor_id": "sensor 00", "value": 21.5, "at": old}
    cookies = {one["name"]: one["value"] for one in ada.context.cookies()}
    answer = ada.context.request.post(
        f"/api/rooms/{room}/sensors/readings", data={"readings": [reading]}, headers={"X-CSRFToken": cookies["csrftoken"]}
    )
    assert answer.ok, answer.text()
    ada.open(room)
    open_charts(ada)
    said = ada.page.get_by_text("No values in this time.")
    expect(said).to_be_visible()
    picture(ada, f"empty-{options['color_scheme']}")
    assert findings(ada.page) == []
    ada.page.get_by_label("1 hour").check()
    expect(said).to_have_count(0)
    ada.page.get_by_label("Live").check()
    expect(said).to_be_visible()


def test_device_is_made_used_and_revoked(person: NewPerson, site: Server) -> None:
    ada = person("Ada", bypass_csp=True)
    room = room_of(ada)
    ada.open(room)
    ada.page.get_by_role("button", name="In this room").click()
    ada.page.get_by_role("menuitemcheckbox", name="Sensors").click()
    ada.page.get_by_role("button", name="Devices").click()
    dialog = ada.page.get_by_role("dialog")
    expect(dialog.get_by_text("No device yet.")).to_be_visible()
    dialog.get_by_label("Name of a new device").fill("greenhouse pi")
    dialog.get_by_role("button", name="Add").click()
    token = dialog.get_by_label("Token", exact=True).input_value()
    curl = dialog.locator("pre").inner_text()
    picture(ada, "device-made")
    assert findings(ada.page) == []
    dialog.get_by_label("Python").check()
    expect(dialog.locator("pre")).to_contain_text(f'"{token}"')
    picture(ada, "device-python")
    done = subprocess.run(["sh", "-c", curl], capture_output=True, text=True, timeout=30, check=False)
    assert json.loads(done.stdout) == {"accepted": 1}, done
    dialog.get_by_role("button", name="I have the token").click()
    expect(dialog.get_by_text("greenhouse pi")).to_be_visible()
    picture(ada, "devices")
    dialog.get_by_role("button", name="Revoke greenhouse pi").click()
    dialog.get_by_role("button", name="Revoke", exact=True).click()
    expect(dialog.get_by_text("No device yet.")).to_be_visible()
    ada.page.keyboard.press("Escape")
    expect(ada.page.get_by_role("img", name="Chart of t1")).to_be_visible()
    refused = subprocess.run(["sh", "-c", curl], capture_output=True, text=True, timeout=30, check=False)
    assert json.loads(refused.stdout)["code"] == "unauthenticated"
    bob = person("Bob", color_scheme="dark", room=room, **PHONE)
    bob.page.get_by_role("button", name="In this room").click()
    bob.page.get_by_role("menuitemcheckbox", name="Sensors").click()
    bob.page.get_by_role("button", name="Devices").click()
    bob.page.get_by_role("dialog").get_by_label("Name of a new device").fill("of a member")
    bob.page.get_by_role("dialog").get_by_role("button", name="Add").click()
    expect(bob.page.get_by_role("dialog").locator("pre")).to_be_visible()
    picture(bob, "device-made-phone-dark")


def test_simple_page_draws_charts_of_two_people(person: NewPerson) -> None:
    ada, bob = person("Ada"), person("Bob", color_scheme="dark", **PHONE)
    for one in (ada, bob):
        one.page.goto("/demo/sensor_data/")
        expect(one.page.locator("#state")).to_have_text("connected")
    ada.page.get_by_label("Sensor").fill(ada.name)
    ada.page.get_by_role("button", name="Send").click()
    for one in (ada, bob):
        expect(one.page.get_by_role("heading", name=f"{ada.name}: 21.5")).to_be_visible()
    chart = bob.page.locator("section", has=bob.page.get_by_role("heading", name=ada.name)).locator("canvas")
    before = chart.evaluate("(one) => one.toDataURL()")
    ada.page.get_by_label("Value").fill("23")
    ada.page.get_by_role("button", name="Send").click()
    expect(bob.page.get_by_role("heading", name=f"{ada.name}: 23")).to_be_visible()
    assert chart.evaluate("(one) => one.toDataURL()") != before
    picture(ada, "demo")
    picture(bob, "demo-phone-dark")
