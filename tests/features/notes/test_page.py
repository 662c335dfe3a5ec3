"""Two people write in one note; one is cut off and returns."""

import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson, StartSite
from tests.browser.looks import findings
from tests.browser.person import PHONE, Person
from tests.support.cable import Cable
from tests.support.server import Server

pytestmark = pytest.mark.browser


# The edits are in IndexedDB, and marked; and: nothing is left of them.
UNSENT = """async () => localStorage.getItem('hubbub.notes.unsent') &&
    (await indexedDB.databases()).some(({name}) => name.startsWith('hubbub-note/'))"""
FORGOTTEN = """async () => !localStorage.getItem('hubbub.notes.unsent') &&
    !(await indexedDB.databases()).some(({name}) => name.startsWith('hubbub-note/'))"""


def editor(one: Person) -> Locator:
    return one.page.locator(".cm-content")


def text(one: Person) -> str:
    """The note's text, as the editor shows it, without others' names."""
    lines = one.page.evaluate(
        """() => [...document.querySelector('.note__editor').shadowRoot.querySelectorAll('.cm-line')].map((line) => {
            const copy = line.cloneNode(true)
            copy.querySelectorAll('.cm-caret, .cm-placeholder').forEach((one) => one.remove())
            return copy.textContent
        })"""
    )
    return "\n".join(lines)


def saved(one: Person) -> None:
    expect(one.page.locator(".note__text p")).to_contain_text(re.compile("^Saved"))


def make_note(one: Person, title: str) -> None:
    one.page.get_by_role("button", name="Add to the conversation").click()
    one.page.get_by_role("menuitem", name="New note").click()
    dialog = one.page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Title").fill(title)
    dialog.get_by_role("button", name="Create note").click()
    expect(editor(one)).to_be_focused()


def open_note(one: Person) -> None:
    one.rows.get_by_role("button", name=re.compile("Open$")).click()
    expect(editor(one)).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_two_write_in_one_note(person: NewPerson, bot: Bot, cable: Cable, scheme: Any) -> None:
    room = bot.make_room("Trips")
    # The dark run is without the content security policy, which axe's script needs.
    ada = person("Ada", color_scheme=scheme, bypass_csp=scheme == "dark")
    bob = person("Bob", base_url=cable.url, color_scheme=scheme, **({} if scheme == "light" else PHONE))
    ada.open(room)
    bob.open(room)
    make_note(ada, "Trip to the lake")
    open_note(bob)
    ada.page.keyboard.type("# Lake\n\n**Saturday**, 9 o’clock\n- bread\n")
    bob.waits_for(lambda: "- bread" in text(bob))
    bob.page.keyboard.press("ControlOrMeta+End")
    for number in range(8):  # both at once, in turns of a few keys
        ada.page.keyboard.type(f"a{number} ")
        bob.page.keyboard.type(f"b{number} ")
    for one in (ada, bob):
        saved(one)
        one.waits_for(lambda: text(ada) == text(bob))
    assert all(f"{name}{number}" in text(ada) for name in "ab" for number in range(8))
    ada.page.keyboard.press("Shift+ArrowUp")
    bob.page.keyboard.press("ArrowUp")
    expect(ada.page.locator(".cm-caret-name")).to_have_text(bob.name)
    expect(bob.page.locator(".cm-caret-name")).to_have_text(ada.name)
    ada.screenshot(f"notes-{scheme}")
    bob.screenshot(f"notes-{'desktop' if scheme == 'light' else 'phone'}-bob-{scheme}")
    if scheme == "dark":
        assert findings(ada.page) == []
        return
    bob.tolerate("WebSocket", "ERR_", "Failed to load", "Failed to fetch")
    cable.cut()
    expect(bob.page.locator(".note__text p")).to_contain_text("Not connected")
    bob.page.keyboard.press("ControlOrMeta+End")
    bob.page.keyboard.type("written offline ")
    ada.page.keyboard.press("ControlOrMeta+Home")
    ada.page.keyboard.type("written meanwhile ")
    cable.mend()
    saved(bob)
    for one in (ada, bob):
        one.waits_for(lambda: text(ada) == text(bob))
    assert "written offline" in text(ada)
    assert "written meanwhile" in text(bob)
    with ada.page.expect_download() as download:
        ada.page.get_by_role("link", name="Download as Markdown").click()
    assert download.value.suggested_filename == "Trip to the lake.md"
    assert download.value.path().read_text() == text(ada)
    ada.page.get_by_role("button", name="All notes").click()
    panel = ada.page.get_by_role("complementary", name="Notes")
    panel.get_by_role("searchbox").fill("lake")
    expect(panel.get_by_role("listitem")).to_contain_text("Trip to the lake")
    ada.screenshot("notes-list")
    panel.get_by_role("searchbox").fill("mountain")
    expect(panel).to_contain_text("No note matches.")


def test_restored_version_reaches_both_editors(person: NewPerson, bot: Bot, site: Server) -> None:
    room = bot.make_room("Plans")
    ada, bob = person("Ada", room=room), person("Bob", room=room)
    make_note(ada, "Plan")
    open_note(bob)
    ada.page.keyboard.type("the good plan")
    bob.waits_for(lambda: text(bob) == "the good plan")
    # The background worker does this every ten minutes.
    keep = "from features.notes.models import Document as D; from features.notes.versions import note_compact as c;"
    site.shell(f"{keep}c(D.objects.get(room__slug={room!r}).id, version=True)")
    bob.page.keyboard.press("ControlOrMeta+A")
    bob.page.keyboard.type("rubbish")
    ada.waits_for(lambda: text(ada) == "rubbish")
    ada.page.get_by_role("button", name="Versions").click()
    versions = ada.page.get_by_role("complementary", name="Notes").get_by_role("listitem")
    expect(versions).to_have_count(1)
    versions.get_by_role("button", name=re.compile(f"Version 1, by .?{ada.name}")).click()
    expect(versions).to_contain_text("the good plan")
    versions.get_by_role("button", name="Restore").click()
    expect(ada.page.get_by_test_id("toasts")).to_contain_text("The version was restored.")
    for one in (ada, bob):
        one.waits_for(lambda one=one: text(one) == "the good plan")  # type: ignore[misc]
    bob.page.get_by_role("button", name="Versions").click()
    theirs = bob.page.get_by_role("complementary", name="Notes").get_by_role("listitem")
    expect(theirs.get_by_role("button", name=re.compile(f", by .?{bob.name}"))).to_have_count(1)


def second_tab(one: Person, room: str) -> Page:
    """Open the room's note in another tab of the same browser."""
    other = one.new_page()
    other.goto(f"/chat/{room}/")
    other.get_by_test_id("messages").get_by_role("button", name=re.compile("Open$")).click()
    expect(other.locator(".note__text p")).to_contain_text(re.compile("^Saved"))
    return other


def test_note_of_two_tabs_is_kept_until_the_last_one_ends(person: NewPerson, bot: Bot, cable: Cable) -> None:
    room = bot.make_room("Tabs")
    ada = person("Ada", base_url=cable.url, room=room)
    make_note(ada, "Two tabs")
    saved(ada)
    other = second_tab(ada, room)
    other.get_by_role("button", name="All notes").click()
    expect(other.locator(".note__text")).to_have_count(0)
    ada.tolerate("WebSocket", "ERR_", "Failed to load", "Failed to fetch")
    cable.cut()
    expect(ada.page.locator(".note__text p")).to_contain_text("Not connected")
    editor(ada).focus()
    ada.page.keyboard.type("written offline ")
    ada.page.wait_for_function(UNSENT)
    other.close()
    ada.page.goto("about:blank")
    cable.mend()
    ada.open(room)
    open_note(ada)
    ada.waits_for(lambda: "written offline" in text(ada))
    saved(ada)
    ada.page.get_by_role("button", name="All notes").click()
    ada.page.wait_for_function(FORGOTTEN)


def test_edits_of_a_closed_tab_outlive_an_idle_one(person: NewPerson, bot: Bot, cable: Cable) -> None:
    room = bot.make_room("Closed tab")
    ada = person("Ada", base_url=cable.url, room=room)
    make_note(ada, "Closed tab")
    saved(ada)
    other = second_tab(ada, room)
    ada.tolerate("WebSocket", "ERR_", "Failed to load", "Failed to fetch")
    cable.cut()
    for page in (ada.page, other):
        expect(page.locator(".note__text p")).to_contain_text("Not connected")
    other.locator(".cm-content").focus()
    other.keyboard.type("written offline ")
    other.wait_for_function(UNSENT)
    other.wait_for_timeout(1_000)  # the browser writes each key by itself
    other.close()
    cable.mend()
    saved(ada)
    # This tab never had them; it is the last one, and keeps them.
    ada.page.get_by_role("button", name="All notes").click()
    expect(ada.page.locator(".note__text")).to_have_count(0)
    ada.page.wait_for_timeout(500)
    assert ada.page.evaluate(UNSENT)
    ada.open(room)
    open_note(ada)
    expect(editor(ada)).to_contain_text("written offline")
    saved(ada)
    ada.page.get_by_role("button", name="All notes").click()
    ada.page.wait_for_function(FORGOTTEN)


def test_edits_wait_while_notes_are_off(person: NewPerson, start_site: StartSite) -> None:
    site = start_site()
    with Bot(site.base_url) as bot:
        room = bot.make_room("Off and on")
    ada = person("Ada", base_url=site.base_url, room=room)
    make_note(ada, "Off and on")
    saved(ada)
    ada.tolerate("ERR_INTERNET_DISCONNECTED")
    ada.context.set_offline(True)
    expect(ada.page.locator(".note__text p")).to_contain_text("Not connected")
    ada.page.keyboard.type("written offline ")
    ada.page.wait_for_function(UNSENT)
    site.shell("from switches.models import FeatureOff; FeatureOff.objects.create(name='notes')")
    ada.waits_for(lambda: "\nhubbub_features_off 1.0" in httpx.get(f"{site.base_url}/metrics", timeout=10).text)
    ada.page.goto("about:blank")
    ada.context.set_offline(False)
    ada.open(room)
    expect(ada.page.get_by_role("button", name="Add to the conversation")).to_be_visible()
    ada.page.wait_for_timeout(1_000)
    assert ada.page.evaluate(UNSENT)
    site.shell("from switches.models import FeatureOff; FeatureOff.objects.all().delete()")
    ada.page.wait_for_function(FORGOTTEN)
    open_note(ada)
    ada.waits_for(lambda: text(ada) == "written offline ")


def test_offline_edits_survive_a_closed_page(person: NewPerson, bot: Bot, cable: Cable) -> None:
    room = bot.make_room("Minutes")
    ada = person("Ada")
    bob = person("Bob", base_url=cable.url)
    ada.open(room)
    bob.open(room)
    make_note(ada, "Minutes")
    open_note(bob)
    ada.page.keyboard.type("begun ")
    bob.waits_for(lambda: "begun" in text(bob))
    saved(bob)
    bob.tolerate("WebSocket", "ERR_", "Failed to load", "Failed to fetch")
    cable.cut()
    expect(bob.page.locator(".note__text p")).to_contain_text("Not connected")
    bob.page.keyboard.press("ControlOrMeta+End")
    bob.page.keyboard.type("written offline ")
    bob.page.wait_for_function(UNSENT)
    ada.page.keyboard.type("written meanwhile ")
    # The page ends without a network; the next page begins with it, and sends the kept edits before the note is opened.
    bob.page.goto("about:blank")
    cable.mend()
    bob.open(room)
    ada.waits_for(lambda: "written offline" in text(ada))
    open_note(bob)
    saved(bob)
    bob.waits_for(lambda: text(ada) == text(bob))
    assert text(bob).count("written offline") == text(bob).count("written meanwhile") == text(bob).count("begun") == 1
    bob.page.get_by_role("button", name="All notes").click()
    bob.page.wait_for_function(FORGOTTEN)
