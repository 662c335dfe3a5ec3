"""A quiz in the page, from the lobby to the podium.

It is made with the dialog, and answered by keyboard and touch.
"""

from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson
from tests.browser.looks import findings
from tests.browser.person import PHONE, SMALL_PHONE, Person

pytestmark = pytest.mark.browser

# Patience with a question's time on a machine that is busy with other things.
LONG_MS = 60_000


def new_quiz(ada: Person) -> None:
    ada.page.get_by_role("button", name="Add to the conversation").click()
    ada.page.get_by_role("menuitem", name="New quiz").click()
    dialog = ada.page.get_by_role("dialog", name="New quiz")
    dialog.get_by_role("button", name="Create quiz").click()
    expect(dialog.get_by_role("alert")).to_have_text("Give the quiz a title.")
    dialog.get_by_role("textbox", name="Title").fill("Friday quiz")
    first = dialog.get_by_role("group", name="Question 1")
    first.get_by_role("textbox", name="What do you ask?").fill("Which planet is the largest?")
    for number, choice in enumerate(("Mars", "Jupiter", "Venus"), 1):
        first.get_by_role("textbox", name=f"Choice {number}").fill(choice)
    first.get_by_role("radio", name="Choice 2 is right").check()
    first.get_by_role("combobox").select_option("10 s")
    ada.screenshot("quiz-new")
    assert not findings(ada.page)
    dialog.get_by_role("button", name="Add a question").click()
    second = dialog.get_by_role("group", name="Question 2")
    second.get_by_role("textbox", name="What do you ask?").fill("How many legs has a spider?")
    for number, choice in enumerate(("8", "6"), 1):
        second.get_by_role("textbox", name=f"Choice {number}").fill(choice)
    second.get_by_role("combobox").select_option("10 s")
    dialog.get_by_role("button", name="Create quiz").click()
    expect(dialog).to_have_count(0)


def words(characters: int) -> str:
    return ("The largest of all planets, which is said to be a failed star " * 6)[:characters].strip()


def on_air(user: Person) -> Locator:
    """The quiz above the messages."""
    return user.page.locator(".running")


def test_quiz_from_dialog_to_podium(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Friday")
    host = person("Host", bypass_csp=True)
    player, other = person("Ada", bypass_csp=True), person("Grace", bypass_csp=True, color_scheme="dark", **PHONE)
    for user in (host, player, other):
        user.open(room)
    new_quiz(host)
    expect(player.messages.get_by_text(f"Waiting for {host.name} to start.")).to_be_visible()
    expect(player.page.get_by_role("button", name="Start the quiz")).to_have_count(0)
    host.messages.get_by_role("button", name="Start the quiz").click()

    mine = on_air(player)
    expect(mine.get_by_text("Question 1 of 2")).to_be_visible()
    mine.get_by_role("button", name="Mars").focus()
    player.page.keyboard.press("2")
    expect(mine.get_by_text("Your answer is in.")).to_be_visible()
    expect(mine.get_by_role("button", name="Jupiter")).to_have_attribute("aria-pressed", "true")
    player.screenshot("feature-quiz")
    assert not findings(player.page)
    other.screenshot("quiz-question-phone-dark")
    on_air(other).get_by_role("button", name="Venus").tap()
    expect(on_air(host).get_by_text("2 answers")).to_be_visible()
    expect(on_air(host).get_by_text("You made this quiz")).to_be_visible()
    other.page.reload()  # the answer is the server's to know
    expect(on_air(other).get_by_text("Your answer is in.")).to_be_visible()

    expect(mine.get_by_text("Right!")).to_be_visible(timeout=LONG_MS)
    player.screenshot("quiz-result-desktop-light")
    expect(on_air(other).get_by_text("Not this time.")).to_be_visible()
    expect(mine.get_by_text("Question 2 of 2")).to_be_visible(timeout=LONG_MS)
    mine.get_by_role("button", name="8").click()
    expect(mine).to_have_count(0, timeout=LONG_MS)
    podium = player.messages.get_by_role("list", name="Scores")
    expect(podium.get_by_role("listitem").first).to_contain_text(player.name)
    expect(player.messages.get_by_text("Your place: 1 of 2")).to_be_visible()
    for user, name in ((player, "quiz-podium-desktop-light"), (other, "quiz-podium-phone-dark")):
        user.screenshot(name)
        assert not findings(user.page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_longest_quiz_is_answered_on_a_small_phone(person: NewPerson, bot: Bot, scheme: Any) -> None:
    """The clock stays in sight, and each choice can be reached."""
    room = bot.make_room("Long quiz")
    ada = person("Ada", bypass_csp=True, room=room, color_scheme=scheme, **SMALL_PHONE)
    question = {"text": words(300), "choices": [f"{number} {words(110)}" for number in range(8)], "right": 7, "seconds": 30}
    seq = bot.frame("quiz.create", room, key="quiz", title=words(200), questions=[question])["seq"]
    bot.frame("quiz.start", room, key="start", target=seq)
    expect(on_air(ada).get_by_role("timer")).to_be_visible()
    ada.screenshot(f"quiz-long-{scheme}")
    last = on_air(ada).get_by_role("button").last
    last.scroll_into_view_if_needed()
    ada.screenshot(f"quiz-long-end-{scheme}")
    expect(on_air(ada).get_by_role("timer")).to_be_in_viewport(ratio=1)
    expect(ada.composer).to_be_in_viewport(ratio=1)
    assert on_air(ada).evaluate("one => one.scrollWidth <= one.clientWidth")
    last.tap()
    expect(on_air(ada).get_by_text("Your answer is in.")).to_be_in_viewport(ratio=1)
    ada.screenshot(f"quiz-long-answered-{scheme}")
    assert not findings(ada.page)
