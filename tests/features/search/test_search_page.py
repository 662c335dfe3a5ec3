"""Search in the page: results appear while one types, and a click jumps there."""

import pytest
from playwright.sync_api import expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson
from tests.browser.looks import findings
from tests.browser.person import PHONE

pytestmark = pytest.mark.browser


def test_message_is_found_as_one_types(person: NewPerson, bot: Bot) -> None:
    room, other = bot.make_room("Observatory"), bot.make_room("Kitchen")
    ada, grace = person("Ada", bypass_csp=True), person("Grace", bypass_csp=True, color_scheme="dark", **PHONE)
    ada.open(room)
    ada.say("The telescope arrives on Monday", "Who brings the tripod?", "望远镜今天到了", "A telescoping ladder would help, too")
    ada.all_sent()
    grace.open(room)
    ada.open(other)

    ada.page.keyboard.press("Control+Shift+F")
    dialog = ada.page.get_by_role("dialog", name="Search messages")
    box = dialog.get_by_role("combobox", name="Search messages")
    expect(box).to_be_focused()
    ada.page.keyboard.type("telescop", delay=30)
    options = dialog.get_by_role("option")
    expect(options).to_have_count(2)
    expect(dialog.get_by_role("status")).to_contain_text("2 messages found")
    expect(options.first.locator("mark")).to_have_text("telescop")
    ada.screenshot("search")
    assert not findings(ada.page)
    box.fill("望远镜")
    expect(options).to_have_count(1)
    box.fill("before:soon")
    expect(dialog.get_by_role("alert")).to_contain_text("before:")
    box.fill(f"telescope from:{ada.name.upper()}")
    expect(options).to_have_count(1)
    ada.page.keyboard.press("Enter")
    expect(ada.page).to_have_url(f"/chat/{room}/1")
    expect(dialog).to_have_count(0)
    expect(ada.messages.get_by_text("The telescope arrives on Monday")).to_be_visible()

    grace.page.go_back()
    grace.page.goto("/chat/")
    grace.page.get_by_role("button", name="Search messages").tap()
    sheet = grace.page.get_by_role("dialog", name="Search messages")
    sheet.get_by_role("combobox").fill("tripod")
    expect(sheet.get_by_role("option")).to_have_count(1)
    grace.screenshot("search-phone-dark")
    assert not findings(grace.page)
    sheet.get_by_role("option").tap()
    expect(grace.page).to_have_url(f"/chat/{room}/2")


def test_date_leads_to_its_first_message(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Diary")
    ada = person("Ada", room=room)
    ada.say("first", "second")
    ada.all_sent()
    ada.page.get_by_role("button", name="Search messages").click()
    day = ada.page.get_by_label("Go to a date")
    # A typed year is 0002 after its first digit: nothing happens before Enter.
    day.press_sequentially("01012100")
    expect(day).to_have_value("2100-01-01")
    expect(ada.page.get_by_role("alert")).to_have_count(0)
    day.press("Enter")
    expect(ada.page.get_by_role("alert")).to_contain_text("Nothing was written")
    day.fill("2020-01-01")
    ada.page.get_by_role("button", name="Go", exact=True).click()
    expect(ada.page).to_have_url(f"/chat/{room}/1")


def test_unreadable_filter_is_explained_in_the_readers_language(person: NewPerson) -> None:
    ada = person("Ada", locale="zh-CN")
    ada.page.keyboard.press("Control+Shift+F")
    dialog = ada.page.get_by_role("dialog")
    for query, reason in {
        "before:2026-1": "“before:”和“after:”需要日期",
        "has:cake": "“has:”只接受 file",
        "from:ada from:bob": "同一个筛选条件出现了两次",
        "a b c d e f g h i": "一次最多搜索 8 个词",
    }.items():
        dialog.get_by_role("combobox").fill(query)
        expect(dialog.get_by_role("alert")).to_contain_text(reason)
