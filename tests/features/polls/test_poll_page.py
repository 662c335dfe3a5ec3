"""Polls in the page: two people vote by mouse and keyboard, and everybody sees it."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson
from tests.browser.looks import findings
from tests.browser.person import PHONE, SMALL_PHONE, Person

pytestmark = pytest.mark.browser


def new_poll(ada: Person, question: str, *options: str, secret: bool = False, several: bool = False) -> None:
    """Make a poll with the keyboard."""
    ada.page.get_by_role("button", name="Add to the conversation").click()
    ada.page.get_by_role("menuitem", name="New poll").click()
    dialog = ada.page.get_by_role("dialog", name="New poll")
    dialog.get_by_role("textbox", name="Question").fill(question)
    dialog.get_by_role("textbox", name="Option 1").click()
    for number, option in enumerate(options):
        if number:
            ada.page.keyboard.press("Enter")
        ada.page.keyboard.type(option)
    if secret:
        dialog.get_by_role("checkbox", name="Secret votes").check()
    if several:
        dialog.get_by_role("checkbox", name="Several choices").check()
    ada.screenshot("poll-new")
    assert not findings(ada.page)
    dialog.get_by_role("button", name="Create poll").click()
    expect(dialog).to_have_count(0)


def poll(user: Person, question: str) -> Locator:
    return user.messages.get_by_test_id("poll").filter(has_text=question)


def counts(card: Locator) -> list[str]:
    return [text.strip() for text in card.locator(".option__count b").all_inner_texts()]


def test_two_people_vote_and_see_it_live(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Lunch")
    ada = person("Ada", bypass_csp=True, room=room)
    grace = person("Grace", bypass_csp=True, color_scheme="dark", room=room, **PHONE)
    question = "Where shall we have lunch?"
    new_poll(ada, question, "The noodle place", "Pizza", "At the desk")
    mine, theirs = poll(ada, question), poll(grace, question)

    mine.get_by_role("radio", name="Pizza").check()
    mine.get_by_role("button", name="Vote", exact=True).click()
    expect(mine.get_by_text("You voted")).to_be_visible()
    expect(theirs.get_by_text("1 person voted")).to_be_visible()
    theirs.get_by_text("The noodle place").tap()
    theirs.get_by_role("button", name="Vote", exact=True).tap()
    expect(mine.get_by_text("2 people voted")).to_be_visible()
    assert counts(mine) == ["1", "1", "0"]
    ada.screenshot("feature-polls")

    # By keyboard: the arrows move, and nothing is sent until Enter.
    mine.get_by_role("radio", name="Pizza").focus()
    ada.page.keyboard.press("ArrowUp")
    expect(mine.get_by_role("radio", name="The noodle place")).to_be_checked()
    expect(mine.get_by_role("button", name="Change vote")).to_be_visible()
    assert len(ada.frames_sent("poll.vote")) == 1
    ada.page.keyboard.press("Enter")
    expect(theirs.locator(".option__count b").first).to_have_text("2")
    expect(mine.get_by_role("radio", name="The noodle place")).to_have_accessible_description(re.compile("2 votes"))

    mine.get_by_role("button", name="Who voted").click()
    expect(mine.get_by_test_id("poll-voters")).to_contain_text(grace.name)
    for user, name in ((ada, "poll-desktop-light"), (grace, "poll-phone-dark")):
        assert not findings(user.page)
        user.screenshot(name)

    ada.page.reload()
    expect(mine.get_by_text("You voted")).to_be_visible()
    mine.get_by_role("button", name="Take it back").click()
    expect(theirs.get_by_text("1 person voted")).to_be_visible()
    expect(grace.page.get_by_role("button", name="Close poll")).to_have_count(0)
    mine.get_by_role("button", name="Close poll").click()
    ada.page.get_by_role("dialog").get_by_role("button", name="Close poll").click()
    expect(theirs.get_by_text("Poll · closed")).to_be_visible()
    expect(theirs.get_by_role("radio")).to_have_count(0)
    expect(theirs.locator(".option--won")).to_contain_text("The noodle place")
    ada.page.emulate_media(color_scheme="dark")
    assert not findings(ada.page)
    ada.screenshot("poll-closed-desktop-dark")
    with ada.page.expect_download() as download:
        mine.get_by_role("link", name="Result as CSV").click()
    assert grace.name in download.value.path().read_text(encoding="utf-8-sig")


def test_secret_poll_of_several_choices_and_the_panel(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Offsite")
    ada, grace = person("Ada", bypass_csp=True, room=room), person("Grace", bypass_csp=True, room=room, **PHONE)
    question = "Which days suit you?"
    new_poll(ada, question, "Monday", "Tuesday", "Wednesday", secret=True, several=True)
    card = poll(grace, question)
    card.get_by_role("checkbox", name="Monday").check()
    card.get_by_role("checkbox", name="Wednesday").check()
    card.get_by_role("button", name="Vote", exact=True).click()
    expect(card.get_by_text("You voted")).to_be_visible()
    expect(card.get_by_role("button", name="Who voted")).to_have_count(0)
    grace.page.reload()  # only the server knows it
    expect(card.get_by_role("checkbox", name="Monday")).to_be_checked()
    expect(card.get_by_role("checkbox", name="Tuesday")).not_to_be_checked()

    bot.join(room)
    for number in range(3):
        bot.say(room, f"line {number}")
    for user in (ada, grace):
        user.page.get_by_role("button", name="In this room").click()
        user.page.get_by_role("menuitemcheckbox", name="Open polls").click()
        panel = user.page.get_by_role("complementary", name="Open polls")
        expect(panel.get_by_text(question)).to_be_visible()
        expect(panel.get_by_text("1 person voted")).to_be_visible()
        assert not findings(user.page)
    ada.screenshot("poll-panel-desktop")
    grace.screenshot("poll-panel-phone")
    panel = ada.page.get_by_role("complementary", name="Open polls")
    panel.get_by_role("checkbox", name="Tuesday").check()
    panel.get_by_role("button", name="Vote", exact=True).click()
    expect(panel.get_by_text("2 people voted")).to_be_visible()
    panel.get_by_role("button", name="Close poll").click()
    ada.page.get_by_role("dialog").get_by_role("button", name="Close poll").click()
    expect(panel.get_by_text("There is no open poll")).to_be_visible()


def test_dialog_says_what_is_missing(person: NewPerson, bot: Bot) -> None:
    ada = person("Ada", room=bot.make_room("Empty"))
    ada.page.get_by_role("button", name="Add to the conversation").click()
    ada.page.get_by_role("menuitem", name="New poll").click()
    dialog = ada.page.get_by_role("dialog", name="New poll")
    create, alert = dialog.get_by_role("button", name="Create poll"), dialog.get_by_role("alert")
    create.click()
    expect(alert).to_have_text("Write a question.")
    dialog.get_by_role("textbox", name="Question").fill("Tea?")
    dialog.get_by_role("textbox", name="Option 1").fill("Yes")
    create.click()
    expect(alert).to_have_text("Write at least two options.")
    dialog.get_by_role("textbox", name="Option 2").fill(" yes")
    create.click()
    expect(alert).to_have_text("Two options are the same.")
    dialog.get_by_role("textbox", name="Option 2").fill("no")
    create.click()
    expect(poll(ada, "Tea?")).to_be_visible()


LONG = (
    "The noodle place behind the station, if it is open again by then",
    "Donaudampfschifffahrtsgesellschaftskapitän",
    "Pizza",
)


@pytest.mark.parametrize("options", [SMALL_PHONE, {}], ids=["360", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_long_options_have_the_width_of_the_card(person: NewPerson, bot: Bot, options: dict[str, Any], scheme: str) -> None:
    ada = person("Ada", bypass_csp=True, color_scheme=scheme, room=bot.make_room("Long"), **options)
    new_poll(ada, "Where?", *LONG)
    card = poll(ada, "Where?")
    card.get_by_role("radio").first.check()
    card.get_by_role("button", name="Vote", exact=True).click()
    expect(card.get_by_text("You voted")).to_be_visible()
    assert not findings(ada.page)
    for option, beside in zip(card.locator(".option").all(), (not options, not options, True), strict=True):
        text, count = (option.locator(part).bounding_box() for part in (".option__text", ".option__count"))
        assert text is not None
        assert count is not None
        assert (count["y"] < text["y"] + text["height"]) is beside
        assert beside or text["width"] >= 190  # of 246, less the mark and the edges
    width = "phone" if options else "desktop"
    ada.screenshot(f"poll-long-{width}-{scheme}")
