"""The server filters a room's lists as one types: people, notes, polls, sensors."""

from __future__ import annotations

import io
import secrets
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson
from tests.browser.looks import findings
from tests.browser.person import PHONE, Person
from tests.browser.test_people import members_of
from tests.support.server import Server, manage

pytestmark = pytest.mark.browser

POLLS = ["Where is lunch?", "哪天开会?", "Ärger mit dem Drucker?", "Tea or coffee?"]
NOTES = ["Trip to the lake", "会议记录", "Budget"]
SENSORS = ["cellar temperature", "温度 会议室", "roof wind", "roof rain"]


def fill(bot: Bot, room: str) -> None:
    for question in POLLS:
        poll = {"question": question, "options": ["yes", "no"], "multiple": False, "secret": False}
        bot.frame("poll.create", room, key=secrets.token_hex(8), **poll)
    for title in NOTES:
        bot.frame("note.create", room, key=secrets.token_hex(8), title=title)
    bot.frame("sensor.push", room, readings=[{"sensor_id": name, "value": 20} for name in SENSORS])


def panel_of(user: Person, entry: str) -> Locator:
    """Open a panel from the room's menu."""
    user.page.get_by_role("button", name="In this room").click()
    user.page.get_by_role("menuitemcheckbox", name=entry).click()
    return user.page.get_by_role("complementary", name=entry)


def test_lists_are_filtered_over_the_socket_for_two_people(person: NewPerson, bot: Bot, site: Server) -> None:
    room = bot.make_room("Workshop")
    fill(bot, room)
    ada = person("Ada", bypass_csp=True, room=room)
    grace = person("Grace", bypass_csp=True, color_scheme="dark", room=room, **PHONE)
    table = [
        ("Open polls", "Search polls", "DRUCKER ärg", POLLS[2], "No open poll matches."),
        ("Open polls", "Search polls", "开会", POLLS[1], "No open poll matches."),
        ("Notes", "Search notes", "会议", NOTES[1], "No note matches."),
        ("Sensors", "Search sensors", "会议室", SENSORS[1], "No sensor matches."),
    ]
    for user, look in ((ada, "desktop-light"), (grace, "phone-dark")):
        for entry, label, query, left, none in table:
            panel = panel_of(user, entry)
            field, rows = panel.get_by_role("searchbox", name=label), panel.get_by_role("listitem").filter(visible=True)
            expect(field).to_be_visible()
            before = rows.count()
            field.press_sequentially(query)
            expect(rows.filter(has_text=left)).to_have_count(1)
            expect(panel.get_by_role("status").filter(has_text="1 entry found")).to_have_count(1)
            user.screenshot(f"filter-{entry.split()[-1].lower()}-{look}")
            assert not findings(user.page)
            field.fill("nowhere at all")
            expect(panel.get_by_text(none)).to_be_visible()
            # Escape brings the whole list back, and leaves the panel open.
            field.press("Escape")
            expect(field).to_have_value("")
            expect(field).to_be_focused()
            expect(rows).to_have_count(before)
            panel.get_by_role("button", name="Close", exact=True).click()
        asked = user.frames_sent("list.filter")
        assert {one["list"] for one in asked} == {"polls", "notes", "sensors"}
        assert len(asked) < sum(len(query) for _, _, query, _, _ in table), "a pause in typing asks, not each letter"


def test_other_peoples_polls_come_into_a_filtered_list(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Votes")
    fill(bot, room)
    ada = person("Ada", bypass_csp=True, color_scheme="dark", room=room)
    panel = panel_of(ada, "Open polls")
    panel.get_by_role("searchbox").fill("lunch")
    rows = panel.get_by_test_id("poll")
    expect(rows).to_have_count(1)
    poll = {"question": "Late lunch?", "options": ["yes", "no"], "multiple": False, "secret": False}
    bot.frame("poll.create", room, key="late", **poll)
    expect(rows).to_have_count(2)
    bot.frame("poll.create", room, key="other", **(poll | {"question": "Dinner?"}))
    expect(ada.messages.get_by_text("Dinner?")).to_be_visible()
    ada.page.wait_for_timeout(1_500)
    expect(rows).to_have_count(2)
    ada.screenshot("filter-polls-desktop-dark")


def test_people_are_filtered_over_the_socket(person: NewPerson, bot: Bot, site: Server) -> None:
    manage("seed", "12", env=site.env | {"ALLOW_SEED": "1"})
    room = bot.make_room("Stadium")
    names = bot.people("seed-")[:12]
    for name in names:
        bot.invite(room, name)
    ada = person("Ada", bypass_csp=True, room=room)
    grace = person("Grace", bypass_csp=True, color_scheme="dark", room=room, **PHONE)
    for user, look in ((ada, "desktop-light"), (grace, "phone-dark")):
        panel = members_of(user)
        panel.get_by_role("searchbox", name="Search members").fill(names[-1].upper())
        rows = panel.get_by_role("listitem")
        expect(rows).to_have_count(1)
        expect(rows).to_contain_text(names[-1])
        expect(panel.get_by_role("status").filter(has_text="1 entry found")).to_have_count(1)
        user.screenshot(f"filter-people-{look}")
        assert not findings(user.page)
        assert user.frames_sent("list.filter")[-1]["list"] == "people"


def colours_at_the_end(field: Locator) -> set[tuple[int, ...]]:
    """Return the colours of the place where the mark is that clears a field."""
    picture = Image.open(io.BytesIO(field.screenshot(animations="disabled"))).convert("RGB")
    width, height = picture.size
    end = picture.crop((width - 30, 8, width - 6, height - 8))
    found = end.getcolors(maxcolors=end.width * end.height) or []
    return {colour for _, colour in found if isinstance(colour, tuple)}


@pytest.mark.parametrize(
    "options",
    [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"forced_colors": "active"}],
    ids=["light", "dark", "forced"],
)
def test_mark_that_clears_a_field_has_our_colours(person: NewPerson, options: dict[str, Any]) -> None:
    ada = person("Ada", bypass_csp=True, **options)
    # Its button comes with the greeting.
    ada.page.get_by_role("button", name="Search messages").click()
    field = ada.page.get_by_role("combobox", name="Search")
    empty = colours_at_the_end(field)
    field.fill("x")
    marked = colours_at_the_end(field)
    assert len(marked) > len(empty), "there is a mark"
    # In no theme of ours, nor in the forced one of Chromium, is the text blue.
    assert not [(red, green, blue) for red, green, blue in marked if blue > red + 50 and blue > green + 30]
    ada.screenshot(f"filter-clear-{options.get('color_scheme', 'forced')}")
