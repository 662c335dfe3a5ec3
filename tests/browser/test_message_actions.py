import re

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson
from tests.browser.looks import findings
from tests.browser.person import PHONE, Person

pytestmark = pytest.mark.browser


def row(person: Person, text: str) -> Locator:
    return person.rows.filter(has_text=text).get_by_role("article")


def act(person: Person, text: str, action: str) -> None:
    """Click a button of the bar that comes with the pointer."""
    row(person, text).hover()
    row(person, text).get_by_role("toolbar").get_by_role("button", name=action, exact=True).click()


def test_two_people_edit_react_and_delete(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Amend")
    # axe is an inline script.
    ada, bob = person("Ada", room=room), person("Bob", bypass_csp=True, room=room)
    ada.say("Helo", "wrong room")
    bob.sees("Helo", "wrong room")

    act(ada, "Helo", "Edit")
    field = ada.page.get_by_role("textbox", name="Edit message")
    expect(field).to_be_focused()
    field.fill("Hello, all")
    field.press("Enter")
    expect(row(bob, "Hello, all")).to_contain_text("edited")

    bob.page.mouse.move(0, 0)
    act(bob, "Hello, all", "React")
    picker = bob.page.get_by_role("group", name="Emoji")
    picker.get_by_role("searchbox").fill("rocket")
    bob.screenshot("actions-picker")
    assert findings(bob.page) == []
    picker.get_by_role("searchbox").press("Enter")
    expect(picker).to_be_hidden()
    chip = row(ada, "Hello, all").get_by_role("button", name="🚀: one person")
    expect(chip).to_have_attribute("aria-pressed", "false")
    chip.click()
    expect(row(bob, "Hello, all").get_by_role("button", name="🚀: 2 people")).to_be_visible()
    ada.screenshot("actions-reactions")

    act(ada, "wrong room", "Delete")
    expect(ada.rows.last).to_have_text(re.compile("This message was deleted"))
    ada.page.get_by_test_id("toasts").get_by_role("button", name="Undo").click()
    ada.sees("Hello, all", "wrong room")
    act(ada, "wrong room", "Delete")
    ada.screenshot("actions-undo")
    expect(bob.rows.last).to_have_text(re.compile("This message was deleted"), timeout=20_000)
    assert [frame["target"] for frame in ada.frames_sent("message.delete")] == [2]
    # Nobody but its author and the owners may.
    row(bob, "Hello, all").hover()
    bar = row(bob, "Hello, all").get_by_role("toolbar")
    expect(bar.get_by_role("button", name="Copy link")).to_be_visible()
    expect(bar.get_by_role("button", name="Delete")).to_have_count(0)
    expect(bar.get_by_role("button", name="Edit")).to_have_count(0)
    # Neither edits nor reactions make a room unread.
    bob.page.reload()
    expect(bob.rows).to_have_count(2)
    expect(bob.page).to_have_title(re.compile("^Amend"))


def test_messages_are_amended_with_the_keyboard_alone(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Keys")
    ada = person("Ada", bypass_csp=True, room=room)
    ada.say("first", "second", "third")
    ada.sees("first", "second", "third")
    ada.all_sent()
    ada.composer.press("ArrowUp")
    field = ada.page.get_by_role("textbox", name="Edit message")
    expect(field).to_have_value("third")
    field.fill("third, better")
    field.press("Enter")
    expect(ada.composer).to_be_focused()
    ada.sees("first", "second", "third, better")

    ada.messages.focus()
    ada.page.keyboard.press("Tab")
    expect(row(ada, "third, better")).to_be_focused()
    ada.page.keyboard.press("ArrowUp")
    expect(row(ada, "second")).to_be_focused()
    assert findings(ada.page) == []
    ada.screenshot("actions-focused")
    ada.page.keyboard.press("e")
    expect(field).to_have_value("second")
    field.press("Escape")
    expect(row(ada, "second")).to_be_focused()
    ada.page.keyboard.press("+")
    expect(ada.page.get_by_role("searchbox")).to_be_focused()
    ada.page.keyboard.press("ArrowDown")
    ada.page.keyboard.press("Enter")
    expect(row(ada, "second").get_by_role("list", name="Reactions")).to_be_visible()
    expect(row(ada, "second")).to_be_focused()
    ada.page.keyboard.press("Delete")
    ada.sees("first", "third, better")


def test_a_reply_quotes_its_source_and_leads_to_it(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Answers")
    bot.fill(room, 300)
    ada, bob = person("Ada", room=room), person("Bob", room=room)
    strip = ada.page.get_by_role("status").filter(has_text="Replying to")
    ada.page.goto(f"/chat/{room}/40")
    source = row(ada, "message 40")
    source.focus()
    expect(source.get_by_role("toolbar")).to_be_visible()
    ada.page.keyboard.press("r")
    expect(strip).to_have_text(re.compile(f"^Replying to .?{bot.name}.? message 40$"))
    expect(ada.composer).to_be_focused()
    ada.page.keyboard.press("Escape")
    expect(strip).to_have_count(0)
    expect(ada.composer).to_be_focused()
    ada.say("to nobody")
    ada.all_sent()
    ada.page.goto(f"/chat/{room}/41")
    act(ada, "message 41", "Reply")
    expect(strip).to_have_text(re.compile("message 41$"))
    ada.say("to the source")
    expect(strip).to_have_count(0)
    ada.all_sent()
    assert [frame.get("reply_to") for frame in ada.frames_sent("message.send")] == [None, 41]

    answer = row(bob, "to the source")
    expect(answer).to_contain_text("message 41")
    quote = re.compile("^In reply to")
    expect(row(bob, "to nobody").get_by_role("link", name=quote)).to_have_count(0)
    quoted = row(bob, "message 41").filter(has_not_text="to the source")
    expect(quoted).to_have_count(0)  # far above what is loaded
    answer.get_by_role("link", name=quote).click()
    expect(bob.page).to_have_url(re.compile(f"/chat/{room}/41$"))
    expect(quoted).to_be_in_viewport()


def test_an_edit_without_a_connection_waits_and_is_stored(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Offline")
    ada, bob = person("Ada", room=room), person("Bob", room=room)
    ada.say("on the ground")
    bob.sees("on the ground")
    ada.all_sent()
    loaded = "performance.getEntriesByType('resource').some(({ name }) => name.includes('EditMessage'))"
    ada.waits_for(lambda: bool(ada.page.evaluate(loaded)))
    ada.context.set_offline(True)
    ada.composer.press("ArrowUp")
    ada.page.get_by_role("textbox", name="Edit message").fill("in the air")
    ada.page.get_by_role("button", name="Save").click()
    ada.sees("in the air")
    ada.tolerate("ERR_INTERNET_DISCONNECTED")
    ada.context.set_offline(False)
    bob.sees("in the air")


def test_a_link_opens_the_room_at_the_message(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Far back")
    bot.say(room, *(f"message {n}" for n in range(1, 301)))
    ada = person("Ada", room=room)
    ada.page.goto(f"/chat/{room}/40")
    expect(row(ada, "message 40")).to_be_in_viewport()
    expect(row(ada, "message 300")).not_to_be_attached()
    ada.screenshot("actions-permalink")
    ada.context.grant_permissions(["clipboard-read", "clipboard-write"])
    act(ada, "message 41", "Copy link")
    expect(ada.page.get_by_test_id("toasts")).to_have_text("Link copied.")
    assert ada.page.evaluate("navigator.clipboard.readText()").endswith(f"/chat/{room}/41")
    ada.page.goto(f"/chat/{room}/300")
    expect(row(ada, "message 300")).to_be_in_viewport()


def test_a_long_press_opens_the_actions_on_a_phone(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Fingers")
    ada = person("Ada", room=room, **PHONE, color_scheme="dark", bypass_csp=True)
    ada.say("press me")
    ada.all_sent()
    point = {"pointerType": "touch", "clientX": 100, "clientY": 300, "bubbles": True}
    row(ada, "press me").locator(".text").dispatch_event("pointerdown", point)
    sheet = ada.page.get_by_role("dialog")
    expect(sheet).to_be_visible()
    ada.screenshot("actions-sheet")
    assert findings(ada.page) == []
    sheet.get_by_role("button", name="React", exact=True).tap()
    expect(sheet.get_by_role("group", name="Emoji").get_by_role("button", name="grinning face", exact=True)).to_be_visible()
    ada.screenshot("actions-sheet-picker")
    sheet.get_by_role("button", name="thumbs up", exact=True).first.tap()
    expect(sheet).to_be_hidden()
    expect(row(ada, "press me").get_by_role("list", name="Reactions")).to_be_visible()
