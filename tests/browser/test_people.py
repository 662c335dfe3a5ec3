"""Two people in two browsers: blocking and unblocking, owners, removing a member."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson
from tests.browser.looks import findings
from tests.browser.person import PHONE, Person

# Two browsers, many pictures and as many runs of axe.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

LOOKS = pytest.mark.parametrize(
    "options", [{"color_scheme": "light"}, {"color_scheme": "dark", **PHONE}], ids=["desktop-light", "phone-dark"]
)


def view(one: Person, name: str) -> None:
    """Take a picture, and hold it to what axe asks."""
    one.page.wait_for_timeout(300)
    one.screenshot(name)
    assert findings(one.page) == [], name


def members_of(one: Person) -> Locator:
    """Return the panel of members, opened where it is not."""
    button = one.page.get_by_role("button", name="Members", exact=True)
    if button.get_attribute("aria-pressed") == "false":
        button.click()
    return one.page.get_by_role("complementary", name="Members")


def menu_of(one: Person, name: str) -> Locator:
    """Open the menu beside a member's name."""
    row = members_of(one).get_by_role("listitem").filter(has_text=name)
    row.hover()
    row.get_by_role("button", name=f"More about {name}").click()
    return one.page.get_by_role("menu", name=f"More about {name}")


@LOOKS
def test_blocked_person_cannot_write_until_unblocked(
    person: NewPerson, bot: Bot, options: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    look = request.node.callspec.id
    room = bot.make_room("Common room")
    ada, bob = person("Ada", bypass_csp=True, room=room, **options), person("Bob", room=room)
    bob.say("Hello everybody")
    ada.sees("Hello everybody")
    tablet = person(ada.name, exact_name=True, signed_up=False)
    tablet.sign_in()
    tablet.open(room)
    expect(members_of(tablet).get_by_role("listitem").filter(has_text=bob.name)).not_to_contain_text("blocked")
    menu = menu_of(ada, bob.name)
    view(ada, f"member-menu-{look}")
    menu.get_by_role("menuitem", name=f"Block {bob.name}").click()
    dialog = ada.page.get_by_role("dialog", name=f"Block {bob.name}?")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    view(ada, f"block-{look}")
    dialog.get_by_role("button", name="Block", exact=True).click()
    expect(dialog).to_have_count(0)
    expect(members_of(ada).get_by_role("listitem").filter(has_text=bob.name)).to_contain_text("blocked")

    # In a room of both, everything is as before.
    bob.say("Still here")
    expect(ada.rows).to_have_count(2)
    bob.page.goto(f"/chat/{room}/")
    members_of(bob).get_by_role("button", name=re.compile(f"^{ada.name}")).click()
    bob.say("Just you and me")
    expect(bob.page.get_by_text("Not sent. You may not write here.")).to_be_visible()

    # An open page on another device of hers has heard of it.
    expect(members_of(tablet).get_by_role("listitem").filter(has_text=bob.name)).to_contain_text("blocked")

    # On another page of hers the block is known, too: from the account menu it ends.
    ada.page.goto("/chat/")
    ada.page.get_by_role("button", name="Account of").click()
    ada.page.get_by_role("menuitem", name="Blocked people").click()
    blocked = ada.page.get_by_role("dialog", name="Blocked people")
    expect(blocked).to_contain_text(bob.name)
    view(ada, f"blocked-people-{look}")
    blocked.get_by_role("button", name=f"Unblock {bob.name}").click()
    none = blocked.get_by_text("You have not blocked anybody.")
    expect(none).to_be_focused()
    expect(members_of(tablet).get_by_role("listitem").filter(has_text=bob.name)).not_to_contain_text("blocked")
    view(ada, f"blocked-none-{look}")
    bob.page.get_by_role("button", name="Try again").click()
    expect(bob.rows).to_have_count(1)
    ada.page.keyboard.press("Escape")
    expect(ada.side_link(bob.name)).to_be_visible()


@LOOKS
def test_block_in_a_direct_room_by_keyboard(
    person: NewPerson, bot: Bot, options: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    look = request.node.callspec.id
    ada = person("Ada", bypass_csp=True, **options)
    bot.write_to(ada.name, "Buy my watches")
    ada.side_link(bot.name).click()
    ada.sees("Buy my watches")
    more = ada.page.get_by_role("button", name="More about this room")
    more.press("Enter")
    ada.page.keyboard.press("ArrowDown")
    expect(ada.page.get_by_role("menuitem", name=f"Block {bot.name}")).to_be_focused()
    ada.page.keyboard.press("Enter")
    dialog = ada.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Block", exact=True).press("Enter")
    notice = ada.page.get_by_text(f"You have blocked {bot.name}")
    expect(notice).to_be_visible()
    view(ada, f"blocked-direct-{look}")
    ada.page.reload()
    expect(notice).to_be_visible()
    ada.page.get_by_role("button", name="Unblock").press("Enter")
    expect(notice).to_have_count(0)
    expect(ada.composer).to_be_focused()
    bot.write_to(ada.name, "Sorry")
    ada.sees("Buy my watches", "Sorry")


@LOOKS
def test_owner_makes_an_owner_who_removes_a_member(
    person: NewPerson, bot: Bot, options: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    look = request.node.callspec.id
    ada, bob = person("Ada", bypass_csp=True, **options), person("Bob")
    ada.page.get_by_role("button", name="New room").click()
    ada.page.get_by_role("textbox", name="Name").fill(f"Council {bot.name}")
    ada.page.get_by_role("button", name="Create room").click()
    expect(ada.composer).to_be_visible()
    room = ada.page.url.rstrip("/").rsplit("/", 1)[-1]
    bob.open(room)
    bot.join(room)
    mine, his = members_of(ada).get_by_role("listitem"), members_of(bob).get_by_role("listitem")
    expect(mine.filter(has_text=ada.name)).to_contain_text("Owner")
    expect(mine).to_have_count(3)

    # The only owner cannot step down, and learns it before they try.
    menu_of(ada, ada.name).get_by_role("menuitem", name="Step down as owner").click()
    dialog = ada.page.get_by_role("dialog")
    expect(dialog).to_contain_text("You are the only owner")
    view(ada, f"only-owner-{look}")
    dialog.get_by_role("button", name="Close").last.click()

    # A member may not do what an owner may.
    menu = menu_of(bob, bot.name)
    expect(menu.get_by_role("menuitem", name="Remove from the room")).to_have_count(0)
    bob.page.keyboard.press("Escape")
    menu = menu_of(ada, bob.name)
    view(ada, f"owner-menu-{look}")
    menu.get_by_role("menuitem", name="Make an owner").click()
    expect(mine.filter(has_text=bob.name)).to_contain_text("Owner")
    # It is news to him, without a reload.
    expect(his.filter(has_text=bob.name)).to_contain_text("Owner")
    menu_of(bob, bot.name).get_by_role("menuitem", name="Remove from the room").click()
    question = bob.page.get_by_role("dialog", name=f"Remove {bot.name}")
    expect(question.get_by_role("button", name="Cancel")).to_be_focused()
    question.get_by_role("button", name="Remove", exact=True).click()
    expect(his.filter(has_text=bot.name)).to_have_count(0)

    menu_of(ada, ada.name).get_by_role("menuitem", name="Step down as owner").click()
    expect(dialog).to_contain_text("another owner has to")
    view(ada, f"step-down-{look}")
    dialog.get_by_role("button", name="Step down").click()
    expect(dialog).to_have_count(0)
    expect(mine.filter(has_text=ada.name)).not_to_contain_text("Owner")
    expect(mine.filter(has_text=ada.name).get_by_role("button", name=re.compile("^More about"))).to_have_count(0)
    expect(his.filter(has_text=ada.name)).not_to_contain_text("Owner")
