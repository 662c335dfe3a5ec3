"""The page of features: an administrator turns a feature off and on.

Another person's open page follows.
"""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson, StartSite
from tests.browser.looks import findings
from tests.browser.person import PHONE, Person
from tests.support.server import Server

pytestmark = pytest.mark.browser

MAKE_ADMINISTRATOR = "from accounts.models import User; User.objects.filter(username='{}').update(is_superuser=True)"


@pytest.fixture
def own(start_site: StartSite) -> Server:
    """A site whose features this test alone switches."""
    return start_site()


@pytest.fixture
def own_bot(own: Server) -> Iterator[Bot]:
    with Bot(own.base_url) as one:
        yield one


def open_features(user: Person) -> None:
    user.page.get_by_role("button", name="Account of").click()
    user.page.get_by_role("menuitem", name="Features").click()
    expect(user.page.get_by_role("heading", name="Features", level=1)).to_be_visible()


def card(user: Person, name: str) -> Locator:
    return user.page.get_by_role("article", name=name, exact=True)


def pictures_are_there(user: Person) -> None:
    for picture in user.page.locator(".feature img:visible").all():
        picture.scroll_into_view_if_needed()
        expect(picture).to_have_js_property("complete", True)
        assert picture.evaluate("one => one.naturalWidth > 0")
    user.page.locator(".features__all").evaluate("one => one.scrollTo(0, 0)")


def make_poll(grace: Person) -> None:
    grace.page.get_by_role("button", name="Add to the conversation").click()
    grace.page.get_by_role("menuitem", name="New poll").click()
    dialog = grace.page.get_by_role("dialog", name="New poll")
    dialog.get_by_role("textbox", name="Question").fill("Soup or salad?")
    for number, option in enumerate(("Soup", "Salad"), start=1):
        dialog.get_by_role("textbox", name=f"Option {number}").fill(option)
    dialog.get_by_role("button", name="Create poll").click()


def test_administrator_switches_polls_and_an_open_page_follows(own: Server, own_bot: Bot, person: NewPerson) -> None:
    room = own_bot.make_room("Lunch")
    ada = person("Ada", base_url=own.base_url, bypass_csp=True)
    grace = person("Grace", base_url=own.base_url, bypass_csp=True, color_scheme="dark", **PHONE)
    own.shell(MAKE_ADMINISTRATOR.format(ada.name))
    grace.open(room)
    make_poll(grace)
    poll = grace.messages.get_by_test_id("poll")
    expect(poll).to_be_visible()

    open_features(ada)
    polls = card(ada, "Polls").get_by_role("switch", name="Polls")
    expect(polls).to_be_checked()
    expect(card(ada, "Mentions").get_by_role("switch")).to_have_count(0)
    pictures_are_there(ada)
    ada.screenshot("features")
    assert not findings(ada.page)
    polls.focus()
    ada.page.keyboard.press("Space")
    question = ada.page.get_by_role("dialog", name="Turn Polls off for everybody?")
    assert not findings(ada.page)
    question.get_by_role("button", name="Turn off").click()
    expect(polls).not_to_be_checked()
    expect(polls).to_be_focused()
    expect(card(ada, "Polls")).to_contain_text(re.compile(f"Off for everybody, by .*{ada.name}"))

    expect(poll).to_have_count(0)
    grace.page.get_by_role("button", name="Add to the conversation").click()
    expect(grace.page.get_by_role("menuitem", name="New quiz")).to_be_visible()
    expect(grace.page.get_by_role("menuitem", name="New poll")).to_have_count(0)
    grace.page.keyboard.press("Escape")
    ada.page.emulate_media(color_scheme="dark")
    ada.screenshot("features-desktop-dark")
    assert not findings(ada.page)

    grace.page.get_by_role("link", name="Back").click()
    open_features(grace)
    expect(card(grace, "Shared notes")).to_be_visible()
    expect(card(grace, "Polls")).to_have_count(0)
    expect(grace.page.get_by_role("switch")).to_have_count(0)
    pictures_are_there(grace)
    grace.screenshot("features-phone-dark")
    assert not findings(grace.page)
    grace.page.emulate_media(color_scheme="light")
    grace.screenshot("features-phone-light")
    grace.page.go_back()
    grace.open(room)

    polls.click()
    expect(polls).to_be_checked()
    expect(poll).to_be_visible()
    poll.get_by_role("radio", name="Soup").check()
    poll.get_by_role("button", name="Vote", exact=True).click()
    expect(poll.get_by_text("1 person voted")).to_be_visible()
