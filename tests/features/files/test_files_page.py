"""Files in the page: two people choose, paste and drop files, and see them all."""

import base64
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson
from tests.browser.looks import findings
from tests.browser.person import PHONE, Person
from tests.features.files.samples import HTML, photo, picture

pytestmark = pytest.mark.browser

# The event of a browser for dropped and pasted files.
GIVE = """
(target, [kind, name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0))
  const transfer = new DataTransfer()
  transfer.items.add(new File([bytes], name, { type }))
  const options = { bubbles: true, cancelable: true }
  if (kind === 'paste') target.dispatchEvent(new ClipboardEvent('paste', { ...options, clipboardData: transfer }))
  else target.dispatchEvent(new DragEvent(kind, { ...options, dataTransfer: transfer }))
}
"""


def give(target: Locator, kind: str, name: str, data: bytes, type_: str = "image/png") -> None:
    target.evaluate(GIVE, [kind, name, type_, base64.b64encode(data).decode()])


def attach(user: Person, *paths: Path) -> None:
    with user.page.expect_file_chooser() as chooser:
        user.page.get_by_role("button", name="Attach files").click()
    chooser.value.set_files(paths)


def send(user: Person) -> None:
    user.page.get_by_role("button", name="Send").click()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "harbour.jpg").write_bytes(photo((1200, 900)))
    (tmp_path / "boats.png").write_bytes(picture(size=(900, 500), color="steelblue"))
    (tmp_path / "sunset.png").write_bytes(picture(size=(500, 700), color="coral"))
    (tmp_path / "The whole plan for the summer with all its dates.pdf").write_bytes(b"%PDF-1.7\n" + b"x" * 180_000)
    (tmp_path / "page.html").write_bytes(HTML)
    return tmp_path


def test_two_people_send_and_look_at_files(person: NewPerson, bot: Bot, folder: Path) -> None:
    room = bot.make_room("Harbour")
    ada = person("Ada", bypass_csp=True, room=room)
    grace = person("Grace", bypass_csp=True, color_scheme="dark", room=room, **PHONE)
    attach(ada, folder / "harbour.jpg", *folder.glob("*.pdf"))
    expect(ada.page.get_by_test_id("uploads").locator("[data-state=done]")).to_have_count(2)
    ada.screenshot("files-composer")
    assert not findings(ada.page)
    ada.composer.fill("The harbour this morning")
    send(ada)
    expect(ada.page.get_by_test_id("uploads")).to_have_count(0)
    image = grace.messages.get_by_role("img", name="harbour.jpg")
    expect(image).to_be_visible()
    grace.waits_for(lambda: image.evaluate("image => image.complete && image.naturalWidth > 0"))
    # Turned as the camera was held, and its frame has the picture's shape.
    shape = image.bounding_box()
    assert shape is not None
    assert abs(shape["width"] / shape["height"] - 900 / 1200) < 0.05
    expect(grace.messages.get_by_role("link", name=re.compile(r"The whole plan.*176 KB"))).to_be_visible()

    # Several pictures without a word, from the other side.
    attach(grace, folder / "boats.png", folder / "sunset.png")
    expect(grace.page.get_by_test_id("uploads").locator("[data-state=done]")).to_have_count(2)
    grace.screenshot("files-composer-phone")
    send(grace)
    expect(ada.messages.get_by_role("list", name="2 pictures").get_by_role("img")).to_have_count(2)
    for user, name in ((ada, "files-desktop-light"), (grace, "files-phone-dark")):
        user.all_sent()
        user.page.wait_for_timeout(300)
        assert not findings(user.page)
        user.screenshot(name)

    look_at_large(ada)
    # The list of the room.
    for user, name in ((ada, "files-panel"), (grace, "files-panel-phone")):
        open_panel(user, name)
    # A deleted message takes its files along.
    grace.page.get_by_role("complementary", name="Files").get_by_role("button", name="Close").click()
    row = ada.rows.filter(has=ada.page.get_by_role("img", name="harbour.jpg"))
    row.hover()
    row.get_by_role("toolbar").get_by_role("button", name="Delete", exact=True).click()
    expect(grace.messages.get_by_role("img", name="harbour.jpg")).to_have_count(0)
    expect(ada.page.get_by_role("complementary", name="Files").get_by_role("listitem")).to_have_count(2)


def look_at_large(ada: Person) -> None:
    """Look at two pictures by the keyboard, and save one."""
    ada.messages.get_by_role("button", name="Show boats.png").focus()
    ada.page.keyboard.press("Enter")
    light = ada.page.get_by_test_id("lightbox")
    expect(light.get_by_role("img", name="boats.png")).to_be_visible()
    ada.page.keyboard.press("ArrowRight")
    expect(light.get_by_role("img", name="sunset.png")).to_be_visible()
    expect(light.get_by_role("status")).to_contain_text("2 of 2")
    ada.screenshot("files-lightbox")
    with ada.page.expect_download() as download:
        light.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "sunset.png"
    ada.page.keyboard.press("Escape")
    expect(light).to_have_count(0)


def open_panel(user: Person, name: str) -> None:
    user.page.get_by_role("button", name="In this room").click()
    user.page.get_by_role("menuitemcheckbox", name="Files").click()
    panel = user.page.get_by_role("complementary", name="Files")
    expect(panel.get_by_role("listitem")).to_have_count(4)
    user.page.wait_for_timeout(300)
    assert not findings(user.page)
    user.screenshot(name)


def test_files_are_dropped_and_pasted(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Drop")
    ada = person("Ada", room=room)
    expect(ada.page.get_by_role("button", name="Attach files")).to_be_visible()
    give(ada.messages, "dragover", "a.png", picture())
    expect(ada.page.get_by_text("Drop files to add them to your message")).to_be_visible()
    ada.screenshot("files-drop")
    give(ada.messages, "drop", "a.png", picture())
    expect(ada.page.get_by_text("Drop files to add them to your message")).to_have_count(0)
    give(ada.composer, "paste", "image.png", picture(color="olive"))
    chips = ada.page.get_by_test_id("uploads").get_by_role("listitem")
    expect(chips).to_have_count(2)
    ada.page.get_by_role("button", name=re.compile("Remove .*a.png")).click()
    expect(chips).to_have_count(1)
    give(ada.composer, "paste", "empty.txt", b"", "text/plain")
    expect(chips.filter(has_text="empty.txt").get_by_role("alert")).to_have_text("The file is empty")
    expect(chips.and_(ada.page.locator("[data-state=done]"))).to_have_count(1)
    send(ada)
    expect(ada.rows).to_have_count(1)
    expect(ada.messages.get_by_role("img", name="image.png")).to_be_visible()
    # What failed stays, until it is taken away.
    expect(chips).to_have_count(1)


def test_message_waits_for_its_files_without_a_connection(person: NewPerson, bot: Bot, folder: Path) -> None:
    room = bot.make_room("Tunnel")
    ada, grace = person("Ada"), person("Grace")
    ada.tolerate("ERR_INTERNET_DISCONNECTED")
    ada.open(room)
    grace.open(room)
    expect(ada.page.get_by_role("button", name="Attach files")).to_be_visible()
    ada.context.set_offline(True)
    expect(ada.status).not_to_have_text("Connected")
    attach(ada, folder / "boats.png")
    expect(ada.page.get_by_test_id("uploads")).to_contain_text("Waits for the connection")
    ada.composer.fill("from the tunnel")
    send(ada)
    expect(ada.page.get_by_text("Sending once everything is uploaded.")).to_be_visible()
    ada.screenshot("files-offline")
    ada.context.set_offline(False)
    expect(grace.messages.get_by_role("img", name="boats.png")).to_be_visible()
    grace.sees("from the tunnel")
    expect(ada.composer).to_have_value("")
    assert len(ada.frames_sent("message.send")) == 1


def test_script_in_a_file_does_not_run_here(person: NewPerson, bot: Bot, folder: Path) -> None:
    room = bot.make_room("Traps")
    ada = person("Ada", room=room)
    attach(ada, folder / "page.html")
    expect(ada.page.get_by_test_id("uploads").locator("[data-state=done]")).to_have_count(1)
    send(ada)
    link = ada.messages.get_by_role("link", name=re.compile("page.html"))
    with ada.page.expect_download() as download:
        link.click()
    assert download.value.suggested_filename == "page.html"
    address = str(link.get_attribute("href"))
    with ada.page.expect_download():
        ada.page.evaluate("address => { location.href = address }", address)
    assert ada.page.title() != "taken"
