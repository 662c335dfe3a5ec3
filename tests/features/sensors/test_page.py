"""Charts of sensors beside the messages."""

import json
import math
import secrets
import threading
import time

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


def picture(somebody: Person, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    somebody.page.wait_for_timeout(400)
    somebody.page.screenshot(path=SCREENSHOTS / f"sensors-{name}.png")


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


def open_charts(somebody: Person) -> None:
    somebody.page.get_by_role("button", name="In this room").click()
    somebody.page.get_by_role("menuitemcheckbox", name="Sensors").click()
    expect(somebody.page.get_by_role("img", name="Chart of sensor 00")).to_be_visible()


def test_many_sensors_are_drawn_live(person: NewPerson, site: Server) -> None:
    ada = person("Ada")
    cookies = {one["name"]: one["value"] for one in ada.context.cookies()}
    room = f"greenhouse-{secrets.token_hex(3)}"
    answer = ada.context.request.post(
        "/api/rooms", data={"slug": room, "title": "Greenhouse"}, headers={"X-CSRFToken": cookies["csrftoken"]}
    )
    assert answer.ok, answer.text()
    ada.open(room)
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    stop = threading.Event()
    device = threading.Thread(target=push_until, args=(stop, site, room, cookie), daemon=True)
    device.start()
    try:
        bob = person("Bob", color_scheme="dark", bypass_csp=True)
        bob.open(room)
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
        cid = person("Cid", bypass_csp=True, **PHONE)
        cid.open(room)
        open_charts(cid)
        cid.page.get_by_label("1 hour").check()
        picture(cid, "phone-light")
        assert findings(cid.page) == []
    finally:
        stop.set()
        device.join(5)


def test_simple_page_draws_charts(person: NewPerson) -> None:
    ada = person("Ada")
    ada.page.goto("/demo/sensor_data/")
    expect(ada.page.locator("#state")).to_have_text("connected")
    ada.page.get_by_label("Sensor").fill(ada.name)
    ada.page.get_by_role("button", name="Send").click()
    expect(ada.page.get_by_role("heading", name=f"{ada.name}: 21.5")).to_be_visible()
    picture(ada, "demo")
