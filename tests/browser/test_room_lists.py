"""Long lists: leaving many rooms at once, and paged browsing and search.

The server searches and returns one page at a time.
"""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson
from tests.browser.person import PHONE
from tests.browser.test_people import LOOKS, members_of, view
from tests.support.server import Server, manage

pytestmark = pytest.mark.browser


@pytest.fixture
def crowd(site: Server, bot: Bot) -> list[str]:
    """Make more people than a page of members holds; return their names by id."""
    manage("seed", "101", env=site.env | {"ALLOW_SEED": "1"})
    return bot.people("seed-")[:101]  # another test may have made more, and one person invites 200 an hour


@LOOKS
def test_victim_leaves_the_rooms_somebody_added_them_to(
    person: NewPerson, bot: Bot, options: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    look = request.node.callspec.id
    ada = person("Ada", bypass_csp=True, **options)
    mine = bot.make_room("Reading club")
    ada.open(mine)
    rooms = [bot.make_room(f"Bargain {number}", private=number % 2 == 0) for number in range(4)]
    for room in rooms:
        bot.invite(room, ada.name)
    ada.page.goto("/chat/")
    expect(ada.side_link("Bargain 3")).to_be_visible()
    ada.page.get_by_role("button", name="Account of").click()
    ada.page.get_by_role("menuitem", name="Manage rooms").click()
    dialog = ada.page.get_by_role("dialog")
    expect(dialog.get_by_role("checkbox", name="Bargain 0")).to_be_visible()
    expect(dialog.get_by_role("listitem").filter(has_text="Bargain 0")).to_contain_text(f"Added by {bot.name} on")
    expect(dialog.get_by_role("listitem").filter(has_text="Reading club")).to_contain_text("Joined on")
    # One by one, by keyboard.
    dialog.get_by_role("checkbox", name="Bargain 1").press("Space")
    expect(dialog.get_by_role("checkbox", name=re.compile("^Select the"))).to_have_js_property("indeterminate", value=True)
    view(ada, f"manage-rooms-{look}")
    dialog.get_by_role("button", name="Leave 1 room").press("Enter")
    expect(dialog.get_by_role("button", name="Back")).to_be_focused()
    view(ada, f"manage-confirm-{look}")
    dialog.get_by_role("button", name="Leave the room").click()
    expect(dialog.get_by_role("checkbox", name="Bargain 1")).to_have_count(0)
    expect(ada.side_link("Bargain 1")).to_have_count(0)
    # All of one person's at once.
    dialog.get_by_role("combobox", name="Added by").select_option(label=f"{bot.name} (3)")
    expect(dialog.get_by_role("checkbox", name="Reading club")).to_have_count(0)
    view(ada, f"manage-added-by-{look}")
    dialog.get_by_role("button", name=f"Leave every room {bot.name} added me to").click()
    dialog.get_by_role("button", name="Leave the rooms").click()
    expect(dialog.get_by_role("checkbox", name="Reading club")).to_be_visible()
    expect(dialog.get_by_role("checkbox", name=re.compile("Bargain"))).to_have_count(0)
    ada.page.keyboard.press("Escape")
    expect(ada.side_link("Bargain 0")).to_have_count(0)
    expect(ada.side_link("Reading club")).to_be_visible()
    assert [bot.role_of(room, ada.name) for room in [mine, *rooms]] == ["member", None, None, None, None]


def test_last_member_confirms_once_more(person: NewPerson, bot: Bot) -> None:
    ada = person("Ada", bypass_csp=True)
    ada.page.get_by_role("button", name="New room").click()
    ada.page.get_by_role("textbox", name="Name").fill(f"Diary {bot.name}")
    ada.page.get_by_text("Private").click()
    ada.page.get_by_role("button", name="Create room").click()
    expect(ada.composer).to_be_visible()
    ada.page.get_by_role("button", name="Account of").click()
    ada.page.get_by_role("menuitem", name="Manage rooms").click()
    dialog = ada.page.get_by_role("dialog")
    dialog.get_by_role("checkbox", name="Diary").check()
    dialog.get_by_role("button", name="Leave 1 room").click()
    dialog.get_by_role("button", name="Leave the room").click()
    expect(dialog).to_contain_text("you are its last member")
    expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
    view(ada, "manage-kept")
    expect(ada.side_link("Diary")).to_be_attached()
    dialog.get_by_role("button", name="Leave it for good").click()
    expect(ada.side_link("Diary")).to_have_count(0)
    expect(dialog).to_contain_text("You are in no room.")


@pytest.mark.parametrize("options", [{}, PHONE], ids=["desktop", "phone"])
def test_public_rooms_are_browsed_page_by_page(person: NewPerson, bot: Bot, options: dict[str, Any]) -> None:
    for number in range(57):
        bot.make_room(f"Plot {number:02}", slug=f"0-{bot.name}-{number:02}")
    ada = person("Ada", bypass_csp=True, **options)
    asked: list[str] = []
    ada.page.on("request", lambda request: asked.append(request.url) if "member=false" in request.url else None)
    ada.page.get_by_role("button", name="Browse rooms").first.click()
    dialog = ada.page.get_by_role("dialog")
    rows = dialog.get_by_role("listitem")
    expect(rows.first).to_be_visible()
    assert len(asked) == 1
    assert "limit=50" in asked[0]
    rows.last.scroll_into_view_if_needed()
    expect(dialog.get_by_role("listitem").nth(56)).to_be_attached()
    assert "after=" in asked[1]
    search = dialog.get_by_role("searchbox")
    search.fill(f"{bot.name}-5")
    expect(rows).to_have_count(7)
    assert "query=" in asked[-1]
    search.fill(f"{bot.name}-56")
    expect(rows).to_have_count(1)
    rows.get_by_role("button", name="Join Plot 56").click()
    expect(ada.composer).to_be_visible()
    expect(dialog).to_have_count(0)


def test_public_room_beyond_the_list_opens_by_its_address(person: NewPerson, bot: Bot) -> None:
    for number in range(101):
        bot.make_room(f"Lot {number:03}", slug=f"1-{bot.name}-{number:03}")
    far = bot.make_room("Far away", slug=f"zzz-{bot.name}")
    ada = person("Ada")
    ada.page.goto(f"/chat/{far}/")
    ada.page.get_by_role("button", name="Join the room").click()
    expect(ada.page.get_by_role("heading", name="Far away").first).to_be_visible()
    expect(ada.side_link("Far away")).to_be_visible()


def test_members_of_a_large_room_are_searched(person: NewPerson, bot: Bot, crowd: list[str]) -> None:
    room = bot.make_room("Stadium")
    for name in crowd:
        bot.invite(room, name)
    ada = person("Ada", bypass_csp=True, room=room)
    panel = members_of(ada)
    expect(panel.get_by_role("heading", name=re.compile("^Offline"))).to_have_text(f"Offline — {len(crowd)}")
    rows = panel.get_by_role("listitem")
    # Of those who are beyond the first page, oneself is there: one is online.
    expect(rows.filter(has_text=ada.name)).to_be_visible()
    expect(rows.filter(has_text=crowd[-1])).to_have_count(0)
    view(ada, "members-many")
    panel.get_by_role("searchbox", name="Search members").fill(crowd[-1][2:])
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text(crowd[-1])
    panel.get_by_role("searchbox", name="Search members").fill("")
    # The rows of the search leave the page with the next answer: only the whole list has this one.
    expect(rows.filter(has_text=crowd[0])).to_have_count(1)
    rows.last.scroll_into_view_if_needed()
    expect(rows.filter(has_text=crowd[-1])).to_have_count(1)
