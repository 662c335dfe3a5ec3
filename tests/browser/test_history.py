import re

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson
from tests.browser.person import Person

pytestmark = pytest.mark.browser

DRAWN_AT_ONCE = 250
MORE_BELOW = re.compile(r"^(\d+) new messages?$")
# Longer than the page waits before it calls the messages in view read.
READ_MARK_MS = 800


def scroll(user: Person, pixels: int) -> None:
    user.messages.hover()
    user.page.mouse.wheel(0, pixels)
    user.page.wait_for_timeout(40)


def height(row: Locator) -> float:
    box = row.bounding_box()
    assert box is not None
    return box["y"]


def scroll_until(user: Person, text: str, pixels: int) -> None:
    for _ in range(600):
        if user.messages.get_by_text(text, exact=True).count():
            return
        scroll(user, pixels)
    raise AssertionError(f"{text!r} never came into view")


def test_scrolling_back_loads_all_history_and_draws_a_part(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Archive")
    bot.fill(room, 620)
    ada = person("Ada", room=room)
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


def test_message_in_view_stays_in_place(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Reading")
    bot.fill(room, 200)
    ada = person("Ada", room=room)
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
    bot.fill(room, 120)
    ada = person("Ada", room=room)
    expect(ada.rows.last).to_contain_text("message 120")
    ada.page.get_by_role("button", name="Account of").click()
    ada.page.get_by_role("menuitem", name="Disconnect").click()
    scroll_until(ada, "message 1", -1_500)


def test_a_room_with_unread_messages_opens_where_they_begin(person: NewPerson, bot: Bot) -> None:
    room, other = bot.make_room("Divider"), bot.make_room("Elsewhere")
    bot.say(room, *(f"old {number}" for number in range(1, 21)))
    ada = person("Ada", room=room)
    expect(ada.rows.last).to_contain_text("old 20")
    ada.open(other)
    bot.say(room, *(f"new {number}" for number in range(1, 41)))
    expect(ada.side_link("Divider")).to_contain_text("40 new messages")
    ada.side_link("Divider").click()
    expect(ada.messages.locator(".divider--new")).to_be_in_viewport()
    expect(ada.messages.get_by_text("new 1", exact=True)).to_be_in_viewport()
    expect(ada.messages.get_by_text("new 40", exact=True)).not_to_be_in_viewport()
    ada.page.get_by_role("button", name=MORE_BELOW).click()
    expect(ada.messages.get_by_text("new 40", exact=True)).to_be_in_viewport()
    expect(ada.side_link("Divider")).not_to_contain_text("new message")


def test_more_unread_than_a_page_open_at_the_first(person: NewPerson, bot: Bot) -> None:
    room, other = bot.make_room("Busy"), bot.make_room("Elsewhere")
    bot.say(room, *(f"old {number}" for number in range(1, 61)))
    ada = person("Ada", room=room)
    expect(ada.rows.last).to_contain_text("old 60")
    ada.page.wait_for_timeout(READ_MARK_MS)
    ada.open(other)
    bot.fill(room, 430)
    expect(ada.side_link("Busy")).to_contain_text("430 new messages")
    ada.page.reload()
    ada.side_link("Busy").click()
    expect(ada.messages.locator(".divider--new")).to_be_in_viewport()
    expect(ada.messages.get_by_text("message 1", exact=True)).to_be_in_viewport()
    expect(ada.messages.get_by_text("old 60", exact=True)).to_be_in_viewport()
    ada.page.wait_for_timeout(READ_MARK_MS)
    below = int(MORE_BELOW.match(ada.page.get_by_role("button", name=MORE_BELOW).inner_text()).group(1))  # type: ignore[union-attr]
    assert 400 < below < 430
    # What was in view is read: the list of rooms counts the rest.
    expect(ada.side_link("Busy")).to_contain_text(f"{below} new messages")
    expect(ada.page.get_by_role("button", name=MORE_BELOW)).to_have_text(f"{below} new messages")

    scroll_until(ada, "message 430", 1_500)
    seqs = ada.seqs()
    assert seqs == list(range(seqs[0], 491))
    scroll(ada, 3_000)
    expect(ada.side_link("Busy")).not_to_contain_text("new message")
    bot.say(room, "live again")
    expect(ada.rows.last).to_contain_text("live again")
    expect(ada.rows.last).to_be_in_viewport()


def test_coming_back_lands_where_one_was(person: NewPerson, bot: Bot) -> None:
    room, other = bot.make_room("Novel"), bot.make_room("Elsewhere")
    bot.fill(room, 400)
    ada = person("Ada", room=other)
    ada.side_link("Elsewhere").wait_for()
    ada.open(room)
    scroll_until(ada, "message 120", -1_500)
    row = ada.messages.locator("li[data-seq='120']")
    row.scroll_into_view_if_needed()
    ada.page.wait_for_timeout(300)
    place = height(row)
    ada.side_link("Elsewhere").click()
    expect(ada.page.get_by_role("heading", name="Elsewhere", level=1)).to_be_visible()
    bot.say(room, "meanwhile 1", "meanwhile 2")
    expect(ada.side_link("Novel")).to_contain_text("2 new messages")
    ada.side_link("Novel").click()
    expect(row).to_be_in_viewport()
    assert height(row) == pytest.approx(place, abs=1)
    expect(ada.page.get_by_role("button", name="2 new messages")).to_be_visible()

    ada.page.reload()
    expect(row).to_be_in_viewport()
    assert height(row) == pytest.approx(place, abs=1)
    ada.page.get_by_role("button", name="2 new messages").click()
    expect(ada.messages.get_by_text("meanwhile 2")).to_be_in_viewport()
    ada.side_link("Elsewhere").click()
    ada.side_link("Novel").click()
    expect(ada.messages.get_by_text("meanwhile 2")).to_be_in_viewport()


@pytest.mark.timeout(400)
def test_a_live_message_leaves_a_reader_of_12000_in_place(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Chronicle")
    bot.fill(room, 12_200)
    ada = person("Ada", room=room)
    expect(ada.rows.last).to_contain_text("message 12200")
    # One step of the wheel after the other, without a round trip to the test for each.
    ada.messages.evaluate(
        """async (list) => {
            while (!list.querySelector("li[data-seq='1']")) {
                list.scrollTop = 0
                await new Promise((resolve) => setTimeout(resolve, 16))
            }
        }""",
        timeout=300_000,
    )
    ada.messages.locator("li[data-seq='3']").scroll_into_view_if_needed()
    ada.page.wait_for_timeout(300)
    row = ada.messages.locator("li[data-seq='3']")
    place = row.bounding_box()
    bot.say(room, "alive")
    expect(ada.page.get_by_role("button", name=re.compile("1 new message"))).to_be_visible()
    assert row.bounding_box() == place
    scroll_until(ada, "message 300", 1_500)
    seqs = ada.seqs()
    assert seqs == list(range(seqs[0], seqs[-1] + 1))
    ada.page.get_by_role("button", name=re.compile("new message")).click()
    expect(ada.messages.get_by_text("alive")).to_be_in_viewport()
