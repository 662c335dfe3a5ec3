"""The pages of the simple clients, each a file that a newcomer can copy."""

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import NewPerson
from tests.browser.person import Person
from tests.support.server import Server, manage

pytestmark = pytest.mark.browser


def open_page(user: Person) -> Locator:
    user.page.goto("/demo/websocket")
    user.page.get_by_role("button", name="Open").click()
    expect(user.page.get_by_role("status")).to_have_text("Open")
    return user.page.get_by_role("listitem")


def send(user: Person, text: str, *, to: str = "Everybody") -> None:
    user.page.get_by_label("Recipient").select_option(label=to)
    user.page.get_by_label("Message").fill(text)
    user.page.get_by_role("button", name="Send").click()


def test_infra_client_sends_to_everybody_and_to_one(person: NewPerson) -> None:
    ada, bob, eve = person("Ada"), person("Bob"), person("Eve")
    lists = [open_page(user) for user in (ada, bob, eve)]
    send(ada, "to all of you")
    for found in lists:
        expect(found.first).to_contain_text("to all of you")
        expect(found.first).to_contain_text("to everybody")
    send(bob, "just you", to=eve.name)
    expect(lists[2].first).to_contain_text(re.compile(rf"{bob.name} · to you.*just you", re.DOTALL))
    expect(lists[2]).to_have_count(2)
    expect(lists[0]).to_have_count(1)
    ada.page.get_by_role("button", name="Close").click()
    expect(ada.page.get_by_role("status")).to_contain_text("Closed")
    eve.page.screenshot(path="artifacts/screenshots/demo-websocket.png")


def test_infra_client_lists_more_people_than_a_page(person: NewPerson, site: Server) -> None:
    manage("seed", "101", env=site.env | {"ALLOW_SEED": "1"})
    zoe, ada = person("zzz-Zoe"), person("Ada")
    found, _ = open_page(zoe), open_page(ada)
    send(ada, "to the last of the list", to=zoe.name)
    expect(found.first).to_contain_text("to you")


def test_infra_client_keeps_a_quiet_socket_open(person: NewPerson) -> None:
    ada = person("Ada")
    ada.page.clock.install()
    open_page(ada)
    ada.page.clock.fast_forward(20_000)
    ada.waits_for(lambda: "ping" in ada.sent)
    assert ada.frames_sent("demo-message-send") == []
    expect(ada.page.get_by_role("status")).to_have_text("Open")


def test_page_asks_a_stranger_to_sign_in(person: NewPerson) -> None:
    stranger = person("Zoe", signed_up=False)
    stranger.page.goto("/demo/websocket")
    expect(stranger.page).to_have_url(re.compile(r"/accounts/sign-in/\?next=/demo/websocket"))


@pytest.mark.parametrize(
    ("path", "connected"), [("/demo/websocket", "已打开"), ("/demo/location/", "已连接"), ("/demo/sensor_data/", "已连接")]
)
def test_client_speaks_chinese(person: NewPerson, path: str, connected: str) -> None:
    ada = person("Ada", locale="zh-CN")
    ada.page.goto(path)
    if path == "/demo/websocket":
        ada.page.get_by_role("button", name="打开").click()
    expect(ada.page.locator("#state")).to_have_text(connected)
    expect(ada.page.locator("html")).to_have_attribute("lang", "zh-hans")
    ada.page.wait_for_load_state("networkidle")
    ada.page.locator("option:not([value=''])").evaluate_all("people => people.forEach((one) => one.remove())")
    seen = ada.page.locator("main").inner_text()
    for name in (ada.name, "WebSocket", "/infra/ws", "/ws/location/", "/ws/sensor_data/", "JSON"):
        seen = seen.replace(name, "")
    assert not re.search("[A-Za-z]{2}", seen), seen
    ada.page.screenshot(path=f"artifacts/screenshots/{path.strip('/').replace('/', '-')}-chinese.png")
