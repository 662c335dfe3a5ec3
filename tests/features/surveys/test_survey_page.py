"""Surveys in the page: made and answered with the keyboard, results as bars, CSV."""

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson
from tests.browser.looks import findings
from tests.browser.person import PHONE, Person

pytestmark = pytest.mark.browser


def new_survey(ada: Person) -> None:
    """Make a survey with each kind of question."""
    ada.page.get_by_role("button", name="Add to the conversation").click()
    ada.page.get_by_role("menuitem", name="New survey").click()
    dialog = ada.page.get_by_role("dialog", name="New survey")
    dialog.get_by_role("textbox", name="Title").fill("How was the launch?")
    asked = (
        ("single", "Would you do it again?"),
        ("several", "What went well?"),
        ("scale", "How calm was it?"),
        ("text", "What next?"),
    )
    options = {"single": ("Yes", "No"), "several": ("Plan", "People", "Tools")}
    for number, (kind, text) in enumerate(asked, start=1):
        if number > 1:
            dialog.get_by_role("button", name="Add a question").click()
        question = dialog.get_by_role("group", name=f"Question {number}")
        expect(question.get_by_role("textbox", name="What do you ask?")).to_be_visible()
        question.get_by_role("textbox", name="What do you ask?").fill(text)
        question.get_by_role("combobox", name="Kind of answer").select_option(kind)
        for place, option in enumerate(options.get(kind, ())):
            if place == 0:
                question.get_by_role("textbox", name="Option 1").click()
            else:
                ada.page.keyboard.press("Enter")
            ada.page.keyboard.type(option)
    assert not findings(ada.page)
    ada.screenshot("survey-new")
    dialog.get_by_role("button", name="Create survey").click()
    expect(dialog).to_have_count(0)


def survey(user: Person) -> Locator:
    return user.messages.get_by_test_id("survey")


def test_two_people_answer_a_survey(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("After the launch")
    ada = person("Ada", bypass_csp=True, room=room)
    grace = person("Grace", bypass_csp=True, color_scheme="dark", room=room, **PHONE)
    new_survey(ada)
    mine, theirs = survey(ada), survey(grace)
    expect(theirs.get_by_role("heading", name="How was the launch?")).to_be_visible()
    assert not findings(grace.page)
    grace.screenshot("survey-phone-dark")

    # By keyboard alone.
    mine.get_by_role("radio", name="Yes").focus()
    ada.page.keyboard.press("Space")
    ada.page.keyboard.press("Tab")
    expect(mine.get_by_role("checkbox", name="Plan")).to_be_focused()
    ada.page.keyboard.press("Space")
    mine.get_by_role("radio", name="3 of 5").focus()
    ada.page.keyboard.press("ArrowRight")
    expect(mine.get_by_role("radio", name="4 of 5")).to_be_checked()
    ada.page.keyboard.press("Tab")
    ada.page.keyboard.type("Sleep")
    ada.page.keyboard.press("Tab")
    ada.page.keyboard.press("Enter")
    expect(mine.get_by_text("You answered")).to_be_visible()
    expect(mine.get_by_test_id("people")).to_have_text("1 person answered")

    theirs.get_by_text("No", exact=True).tap()
    theirs.get_by_role("button", name="Send answers").tap()
    expect(mine.get_by_test_id("people")).to_have_text("2 people answered")
    expect(mine.get_by_text("On average 4")).to_be_visible()
    mine.get_by_role("button", name="Show 1 text").click()
    expect(mine.get_by_text("Sleep")).to_be_visible()
    assert not findings(ada.page)
    ada.screenshot("feature-surveys")

    mine.get_by_role("button", name="Change answers").click()
    expect(mine.get_by_role("radio", name="Yes")).to_be_focused()
    mine.get_by_role("radio", name="No").check()
    mine.get_by_role("button", name="Change answers").click()
    expect(theirs.get_by_text("2 answers")).to_be_attached()
    ada.page.reload()
    expect(mine.get_by_text("You answered")).to_be_visible()
    mine.get_by_role("button", name="Close survey").click()
    ada.page.get_by_role("dialog").get_by_role("button", name="Close survey").click()
    expect(theirs.get_by_text("Survey · closed")).to_be_visible()
    ada.page.emulate_media(color_scheme="dark")
    assert not findings(ada.page)
    ada.screenshot("survey-desktop-dark")
    with ada.page.expect_download() as download:
        mine.get_by_role("link", name="Answers as CSV").click()
    assert "Sleep" in download.value.path().read_text(encoding="utf-8-sig")
