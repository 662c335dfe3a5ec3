import re

import pytest
from playwright.sync_api import expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson

pytestmark = pytest.mark.browser


def test_two_people_make_a_room_and_chat(person: NewPerson) -> None:
    ada, bob = person("Ada"), person("Bob")
    title = f"Launch {ada.name}"
    ada.page.get_by_role("button", name="New room").click()
    ada.page.get_by_role("textbox", name="Name").fill(title)
    ada.page.get_by_role("button", name="Create room").click()
    expect(ada.page.get_by_role("heading", name=title, level=1)).to_be_visible()
    expect(ada.composer).to_be_focused()

    bob.page.get_by_role("button", name="Browse rooms").first.click()
    bob.page.get_by_role("dialog").get_by_role("button", name=f"Join {title}").click()
    expect(bob.composer).to_be_visible()
    expect(ada.page.get_by_test_id("presence")).to_have_text("2 members · 2 online")

    ada.say("Hello Bob", "Are you there?")
    bob.sees("Hello Bob", "Are you there?")
    bob.composer.fill("Yes,")
    bob.composer.press("Shift+Enter")
    bob.composer.press_sequentially("I am")
    bob.composer.press("Enter")
    ada.sees("Hello Bob", "Are you there?", "Yes,\nI am")
    bob.sees("Hello Bob", "Are you there?", "Yes,\nI am")
    assert ada.seqs() == bob.seqs() == [1, 2, 3]
    expect(ada.page.get_by_role("complementary", name="Members")).to_contain_text(bob.name)


def test_typing_and_leaving_are_seen(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Typing")
    ada, bob = person("Ada", room=room), person("Bob", room=room)
    expect(ada.page.get_by_test_id("presence")).to_contain_text("3 online")
    bob.composer.press_sequentially("Let me th", delay=30)
    expect(ada.page.get_by_test_id("typing")).to_have_text(f"{bob.name} is typing")
    expect(bob.page.get_by_test_id("typing")).to_have_text("")
    bob.composer.press("Enter")
    ada.sees("Let me th")
    expect(ada.page.get_by_test_id("typing")).to_have_text("")
    bob.close()
    expect(ada.page.get_by_test_id("presence")).to_contain_text("2 online")


def test_unread_messages_are_counted_until_they_are_seen(person: NewPerson, bot: Bot) -> None:
    room, other = bot.make_room("Unread one"), bot.make_room("Unread two")
    ada = person("Ada", room=room)
    ada.open(other)
    bot.say(room, "one", "two", "three")
    link = ada.side_link("Unread one")
    expect(link).to_contain_text("3 new messages")
    expect(ada.page).to_have_title(re.compile("^• "))
    bot.write_to(ada.name, "psst")
    expect(ada.page).to_have_title(re.compile(r"^\(1\) "))
    link.click()
    ada.sees("one", "two", "three")
    expect(ada.messages.locator(".divider--new")).to_be_visible()
    expect(link).not_to_contain_text("new message")
    ada.page.reload()
    ada.sees("one", "two", "three")
    expect(ada.side_link("Unread one")).not_to_contain_text("new message")


def test_direct_message_found_by_search_reaches_only_its_person(person: NewPerson) -> None:
    ada, bob = person("Ada"), person("Bob")
    ada.page.get_by_role("button", name="New direct message").click()
    ada.page.get_by_role("combobox", name="Search people").fill(bob.name)
    expect(ada.page.get_by_role("option")).to_have_count(1)
    ada.page.keyboard.press("Enter")
    expect(ada.page.get_by_role("heading", name=bob.name, level=1)).to_be_visible()
    ada.say("Just between us")
    ada.sees("Just between us")

    link = bob.side_link(ada.name)
    expect(link).to_contain_text("1 new message")
    link.click()
    bob.sees("Just between us")
    bob.say("Sure")
    ada.sees("Just between us", "Sure")
    expect(ada.page.get_by_test_id("presence")).to_have_text("Online")


def test_a_private_room_is_for_those_who_are_invited(person: NewPerson, bot: Bot) -> None:
    ada, bob = person("Ada"), person("Bob")
    title = f"Secret {ada.name}"
    ada.page.get_by_role("button", name="New room").click()
    ada.page.get_by_role("textbox", name="Name").fill(title)
    ada.page.get_by_role("radio", name="Private").check()
    ada.page.get_by_role("button", name="Create room").click()
    expect(ada.composer).to_be_visible()
    address = ada.page.url

    bob.page.goto(address)
    expect(bob.page.get_by_text("There is nothing here for you")).to_be_visible()

    ada.invite(bob.name)
    ada.say("Welcome")

    bob.side_link(title).click()
    bob.sees("Welcome")


def test_an_address_becomes_a_link_and_markup_stays_text(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Links")
    ada = person("Ada", room=room)
    text = "see https://example.org/a?b=1. <img src=x onerror=alert(1)> javascript:alert(2)"
    ada.say(text)
    ada.sees(text)
    link = ada.messages.get_by_role("link")
    expect(link).to_have_count(1)
    expect(link).to_have_attribute("href", "https://example.org/a?b=1")
    expect(link).to_have_attribute("rel", re.compile("noopener"))
    expect(ada.messages.locator("img")).to_have_count(0)


def test_a_title_misleads_nobody_and_fits(person: NewPerson, bot: Bot) -> None:
    turning = bot.make_room("Budget \u202egnp.exe", slug=f"turning-{bot.name}")
    unseen = bot.make_room("\u200b", slug=f"unseen-{bot.name}")
    endless = bot.make_room(f"{bot.name} " + "goes on " * 13, slug=f"endless-{bot.name}")
    ada = person()
    ada.page.goto(f"/chat/{turning}/")
    expect(ada.page.get_by_role("heading", name="You are not in Budget gnp.exe yet", exact=True)).to_be_visible()
    ada.open(unseen)
    expect(ada.page.get_by_role("heading", name=unseen, exact=True, level=1)).to_be_visible()
    expect(ada.side_link(unseen)).to_be_visible()
    ada.open(endless)
    ada.page.keyboard.press("Control+k")
    ada.page.get_by_role("combobox").fill(bot.name)
    option = ada.page.get_by_role("option", name="goes on")
    expect(option).to_have_count(1)
    inner, outer = option.bounding_box(), ada.page.get_by_role("listbox").bounding_box()
    assert inner is not None
    assert outer is not None
    assert inner["x"] + inner["width"] <= outer["x"] + outer["width"]


def test_a_message_turns_no_text_around_it(person: NewPerson, bot: Bot) -> None:
    """U+202E without an end: names, times and other messages keep their direction."""
    ada = person("Ada", room=bot.make_room("Turned"))
    ada.say("\u202egnp.exe", "plain")
    expect(ada.rows).to_have_count(2)
    for text in ada.messages.locator("p.text").all():
        assert text.evaluate("element => getComputedStyle(element).unicodeBidi") in {"isolate", "plaintext"}


def test_a_draft_stays_with_its_room(person: NewPerson, bot: Bot) -> None:
    room, other = bot.make_room("Draft one"), bot.make_room("Draft two")
    ada = person("Ada", room=other)
    ada.open(room)
    ada.composer.fill("not quite done")
    ada.side_link("Draft two").click()
    expect(ada.page.get_by_role("textbox", name="Message to Draft two")).to_have_value("")
    ada.page.reload()
    ada.side_link("Draft one").click()
    expect(ada.page.get_by_role("textbox", name="Message to Draft one")).to_have_value("not quite done")


def test_a_message_that_is_too_long_is_counted_and_held_back(person: NewPerson, bot: Bot) -> None:
    ada = person("Ada", room=bot.make_room("Long"))
    ada.composer.fill("🙂" * 9_500)
    expect(ada.page.get_by_text("500 characters left")).to_be_visible()
    ada.composer.fill("x" * 10_001)
    expect(ada.page.get_by_text("1 character too many")).to_be_visible()
    expect(ada.page.get_by_role("button", name="Send")).to_be_disabled()
    ada.composer.fill("🙂" * 10_000)
    ada.page.get_by_role("button", name="Send").click()
    ada.sees("🙂" * 10_000)


def test_a_message_the_server_refuses_can_be_discarded(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Closed", private=True)
    ada = person()
    bot.invite(room, ada.name)
    ada.open(room)
    ada.page.get_by_role("button", name="Account of").click()
    ada.page.get_by_role("menuitem", name="Disconnect").click()
    ada.say("too late")
    bot.remove(room, ada.name)
    ada.page.get_by_role("button", name="Connect", exact=True).click()
    kept = ada.page.get_by_test_id("outgoing")
    expect(kept.get_by_text("Not sent. You are not a member of this room.")).to_be_visible()
    kept.get_by_role("button", name="Discard").click()
    expect(ada.page.get_by_text("too late")).to_have_count(0)


def test_a_page_that_is_left_alone_asks_the_server_for_nothing(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Quiet")
    ada = person("Ada", room=room)
    person("Bob", room=room)
    expect(ada.page.get_by_test_id("presence")).to_have_text("3 members · 3 online")
    ada.page.wait_for_timeout(1_500)
    asked: list[str] = []
    ada.page.on("request", lambda request: asked.append(request.url))
    ada.page.wait_for_timeout(3_000)
    assert asked == []


def test_everything_can_be_reached_from_the_keyboard(person: NewPerson, bot: Bot) -> None:
    bot.make_room("Keyboard", slug=f"keyboard-{bot.name}")
    ada = person()
    expect(ada.status).to_have_text("Connected")
    ada.page.keyboard.press("Control+k")
    ada.page.keyboard.type("keyboard")
    expect(ada.page.get_by_role("option").first).to_contain_text("Keyboard")
    ada.page.keyboard.press("Enter")
    ada.page.get_by_role("button", name="Join the room").press("Enter")
    expect(ada.composer).to_be_focused()
    ada.page.keyboard.type("typed blind")
    ada.page.keyboard.press("Enter")
    ada.sees("typed blind")
    ada.page.get_by_role("button", name="Account of").press("Enter")
    expect(ada.page.get_by_role("menuitemradio", name="Like the system")).to_be_focused()
    ada.page.keyboard.press("ArrowDown")
    ada.page.keyboard.press("ArrowDown")
    ada.page.keyboard.press("Enter")
    expect(ada.page.locator("html")).to_have_attribute("data-theme", "dark")
    ada.page.keyboard.press("Escape")
    expect(ada.page.get_by_role("button", name="Account of")).to_be_focused()
    ada.page.reload()
    expect(ada.page.locator("html")).to_have_attribute("data-theme", "dark")
