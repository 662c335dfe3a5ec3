"""Changes by another device or another person; and leaving, which asks first."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson
from tests.browser.person import Person

pytestmark = pytest.mark.browser

# Longer than the page sums up announcements.
SUMMED_UP_MS = 6_000


def announced(user: Person, *words: str) -> None:
    """Wait until a screen reader has been given each of these, in any order."""
    spoken = "window.spoken.join(' ')"
    user.waits_for(lambda: all(word in user.page.evaluate(spoken) for word in words))


def listen(user: Person) -> None:
    user.page.evaluate(
        """() => {
            window.spoken = []
            const region = document.querySelector('[data-testid=announcement]')
            const changes = {childList: true, characterData: true, subtree: true}
            new MutationObserver(() => window.spoken.push(region.textContent)).observe(region, changes)
        }"""
    )


def test_an_invitation_and_a_removal_show_on_an_open_page(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Vault", private=True)
    ada = person()
    expect(ada.status).to_have_text("Connected")
    listen(ada)
    bot.invite(room, ada.name)
    ada.side_link("Vault").click()
    expect(ada.composer).to_be_visible()
    ada.composer.fill("half a thought")
    bot.remove(room, ada.name)
    expect(ada.page.get_by_role("heading", name="You were removed from Vault")).to_be_visible()
    announced(ada, "You are now in Vault.", "You were removed from Vault.")
    expect(ada.composer).to_have_count(0)
    expect(ada.side_link("Vault")).to_have_count(0)
    kept = ada.page.get_by_role("region", name="Your unfinished message")
    expect(kept).to_contain_text("half a thought")
    bot.invite(room, ada.name)
    expect(ada.composer).to_have_value("half a thought")


def test_a_second_device_follows_rooms_marks_and_titles(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Two desks")
    ada = person("Ada", room=room)
    other = ada.new_page()
    other.goto("/chat/")
    link = other.get_by_role("navigation", name="Conversations").get_by_role("link", name="Two desks")
    expect(link).to_be_visible()
    ada.page.goto("/chat/")
    bot.say(room, "one", "two")
    expect(link).to_contain_text("2 new messages")
    expect(ada.side_link("Two desks")).to_contain_text("2 new messages")
    ada.page.keyboard.press("Shift+Escape")
    expect(ada.side_link("Two desks")).not_to_contain_text("new message")
    expect(link).not_to_contain_text("new message")
    bot.retitle(room, "Three desks")
    renamed = other.get_by_role("navigation", name="Conversations").get_by_role("link", name="Three desks")
    expect(renamed).to_be_visible()
    expect(ada.side_link("Three desks")).to_be_visible()
    second = bot.make_room(f"Fresh {bot.name}")
    ada.open(second)
    expect(other.get_by_role("navigation", name="Conversations").get_by_role("link", name=f"Fresh {bot.name}")).to_be_visible()


def test_leaving_a_private_room_asks_first(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Cellar", private=True)
    ada = person()
    bot.invite(room, ada.name)
    ada.open(room)
    ada.page.get_by_role("button", name="More about this room").press("Enter")
    ada.page.get_by_role("menuitem", name="Leave this room").press("Enter")
    dialog = ada.page.get_by_role("dialog", name="Leave Cellar?")
    expect(dialog).to_contain_text("you cannot come back, or read it, unless a member invites you")
    expect(dialog.get_by_role("button", name="Stay")).to_be_focused()
    ada.page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    expect(ada.composer).to_be_visible()

    ada.page.get_by_role("button", name="More about this room").click()
    ada.page.get_by_role("menuitem", name="Leave this room").click()
    leave = dialog.get_by_role("button", name="Leave the room")
    expect(leave).to_be_enabled()  # once it is known what that means for the room
    leave.press("Enter")
    expect(ada.page).to_have_url(re.compile("/chat/$"))
    expect(dialog).to_have_count(0)
    expect(ada.side_link("Cellar")).to_have_count(0)


def test_the_last_owner_chooses_who_owns_the_room(person: NewPerson) -> None:
    ada, bob, eve = person("Ada"), person("Bob"), person("Eve")
    title = f"Heritage {ada.name}"
    ada.page.get_by_role("button", name="New room").click()
    ada.page.get_by_role("textbox", name="Name").fill(title)
    ada.page.get_by_role("radio", name="Private").check()
    ada.page.get_by_role("button", name="Create room").click()
    expect(ada.composer).to_be_visible()
    leave = ada.page.get_by_role("menuitem", name="Leave this room")
    ada.page.get_by_role("button", name="More about this room").click()
    leave.click()
    dialog = ada.page.get_by_role("dialog")
    expect(dialog).to_contain_text("Nobody can ever come in again")
    expect(dialog.get_by_role("button", name="Leave for good")).to_be_enabled()
    dialog.get_by_role("button", name="Stay").click()
    ada.invite(bob.name, eve.name)
    ada.page.get_by_role("button", name="More about this room").click()
    leave.click()
    dialog.get_by_role("group", name="Who owns it after you?").get_by_role("radio", name=eve.name).check()
    dialog.get_by_role("button", name="Leave the room").click()
    expect(ada.page).to_have_url(re.compile("/chat/$"))
    eve.side_link(title).click()
    members = eve.page.get_by_role("complementary", name="Members").get_by_role("listitem")
    expect(members.filter(has_text=eve.name)).to_contain_text("Owner")
    expect(members.filter(has_text=bob.name)).not_to_contain_text("Owner")


def test_a_screen_reader_hears_of_the_line_and_of_other_rooms(person: NewPerson, bot: Bot) -> None:
    room, other = bot.make_room("Near"), bot.make_room("Far")
    ada = person("Ada", room=other)
    ada.open(room)
    listen(ada)
    bot.say(other, "one", "two")
    announced(ada, "new messages in Far.")
    ada.page.get_by_role("button", name="Account of").click()
    ada.page.get_by_role("menuitem", name="Disconnect").click()
    ada.say("unsent")
    announced(ada, "You are disconnected.", "One message waits to be sent.")
    ada.page.get_by_role("button", name="Connect", exact=True).click()
    announced(ada, "Connected again.")


def test_a_direct_room_keeps_its_name_across_a_reload(person: NewPerson) -> None:
    ada, bob = person("Ada"), person("Bob")
    ada.page.get_by_role("button", name="New direct message").click()
    ada.page.get_by_role("combobox", name="Search people").fill(bob.name)
    expect(ada.page.get_by_role("option")).to_have_count(1)
    ada.page.keyboard.press("Enter")
    heading = ada.page.get_by_role("heading", name=bob.name, level=1)
    expect(heading).to_be_visible()
    ada.page.reload()
    expect(heading).to_be_visible()


def test_home_says_that_the_list_failed(person: NewPerson) -> None:
    ada = person()
    ada.tolerate("status of 503")
    fail = {
        "status": 503,
        "content_type": "application/problem+json",
        "body": '{"title": "No", "detail": "Not now.", "status": 503}',
    }
    ada.page.route(re.compile("/api/rooms"), lambda route: route.fulfill(**fail))
    ada.page.reload()
    alert = ada.page.get_by_role("alert")
    expect(alert).to_contain_text("Your conversations could not be loaded. Not now.")
    expect(ada.page.get_by_text("all caught up")).to_have_count(0)
    ada.page.unroute_all()
    alert.get_by_role("button", name="Try again").click()
    expect(ada.page.get_by_text("all caught up")).to_be_visible()


def test_invisible_text_is_not_sent(person: NewPerson, bot: Bot) -> None:
    ada = person("Ada", room=bot.make_room("Nothing"))
    for text in ("\u200b", "\u2800", "\u3164\u00a0", "\u2060\ufe0f"):
        ada.composer.fill(text)
        expect(ada.page.get_by_role("button", name="Send")).to_be_disabled()
        ada.composer.press("Enter")
    assert ada.frames_sent("message.send") == []
    ada.say("❤\ufe0f")
    ada.sees("❤\ufe0f")
