import pytest
from playwright.sync_api import expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson
from tests.browser.person import Person

pytestmark = pytest.mark.browser

DRAWN_AT_ONCE = 250


def scroll(somebody: Person, pixels: int) -> None:
    somebody.messages.hover()
    somebody.page.mouse.wheel(0, pixels)
    somebody.page.wait_for_timeout(40)


def scroll_until(somebody: Person, text: str, pixels: int) -> None:
    for _ in range(600):
        if somebody.messages.get_by_text(text, exact=True).count():
            return
        scroll(somebody, pixels)
    raise AssertionError(f"{text!r} never came into view")


def test_scrolling_back_brings_the_whole_history_and_draws_a_part_of_it(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Archive")
    bot.say(room, *(f"message {number}" for number in range(1, 621)))
    ada = person()
    ada.open(room)
    expect(ada.rows.last).to_contain_text("message 620")
    expect(ada.rows.last).to_be_in_viewport()

    scroll_until(ada, "message 1", -1_500)
    expect(ada.messages.get_by_text("This is the beginning of Archive")).to_be_attached()
    seqs = ada.seqs()
    assert seqs == list(range(seqs[0], seqs[-1] + 1))
    assert len(seqs) <= DRAWN_AT_ONCE

    scroll_until(ada, "message 400", 1_500)
    seqs = ada.seqs()
    assert seqs == list(range(seqs[0], seqs[-1] + 1))
    ada.page.get_by_role("button", name="Jump to latest").click()
    expect(ada.rows.last).to_contain_text("message 620")
    expect(ada.rows.last).to_be_in_viewport()


def test_what_is_being_read_stays_in_place(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Reading")
    bot.say(room, *(f"message {number}" for number in range(1, 201)))
    ada = person()
    ada.open(room)
    scroll_until(ada, "message 120", -600)
    row = ada.messages.locator("li[data-seq='120']")
    row.scroll_into_view_if_needed()
    ada.page.wait_for_timeout(500)
    before = row.bounding_box()
    bot.say(room, "new 1", "new 2", "new 3")
    latest = ada.page.get_by_role("button", name="3 new messages")
    expect(latest).to_be_visible()
    assert row.bounding_box() == before
    latest.click()
    expect(ada.rows.last).to_contain_text("new 3")
    expect(ada.rows.last).to_be_in_viewport()
    bot.say(room, "new 4")
    expect(ada.rows.last).to_contain_text("new 4")
    expect(ada.rows.last).to_be_in_viewport()


def test_older_messages_are_found_without_a_socket_too(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Offline archive")
    bot.say(room, *(f"message {number}" for number in range(1, 121)))
    ada = person()
    ada.open(room)
    expect(ada.rows.last).to_contain_text("message 120")
    ada.page.get_by_role("button", name="Account of").click()
    ada.page.get_by_role("menuitem", name="Disconnect").click()
    scroll_until(ada, "message 1", -1_500)


def test_a_room_with_unread_messages_opens_where_they_begin(person: NewPerson, bot: Bot) -> None:
    room, other = bot.make_room("Divider"), bot.make_room("Elsewhere")
    bot.say(room, *(f"old {number}" for number in range(1, 21)))
    ada = person()
    ada.open(room)
    expect(ada.rows.last).to_contain_text("old 20")
    ada.open(other)
    bot.say(room, *(f"new {number}" for number in range(1, 41)))
    expect(ada.side_link("Divider")).to_contain_text("40 new messages")
    ada.side_link("Divider").click()
    expect(ada.messages.locator(".divider--new")).to_be_in_viewport()
    expect(ada.messages.get_by_text("new 1", exact=True)).to_be_in_viewport()
    expect(ada.messages.get_by_text("new 40", exact=True)).not_to_be_in_viewport()
    ada.page.get_by_role("button", name="Jump to latest").click()
    expect(ada.messages.get_by_text("new 40", exact=True)).to_be_in_viewport()
    expect(ada.side_link("Divider")).not_to_contain_text("new message")
