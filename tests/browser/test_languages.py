"""The page in Chinese: no English word is left, and dates are Chinese.

The language can be changed in the page.
"""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson
from tests.browser.person import PASSWORD, PHONE, Person

pytestmark = pytest.mark.browser

# What people read and hear: visible text, and the attributes that screen readers and tooltips show.
SHOWN = """() => {
    const texts = []
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    while (walker.nextNode()) {
        const parent = walker.currentNode.parentElement
        if (parent.closest('script, style, noscript, kbd, .avatar')) continue
        texts.push(walker.currentNode.textContent)
    }
    for (const name of ['aria-label', 'title', 'placeholder', 'alt'])
        for (const one of document.querySelectorAll(`[${name}]`)) texts.push(one.getAttribute(name))
    return [document.title, ...texts].map((text) => text.trim()).filter(Boolean)
}"""
# Names of the product and of the other language, and words that are the same in both.
KNOWN = {"Hubbub", "English", "chat"}
# Names that the other tests of this server gave their people.
OTHERS = r"\w+-[0-9a-f]{6,}"


# The other tests' rooms on this server.
ROOMS = """async () => (await (await fetch('/api/rooms?limit=500')).json()).rooms.flatMap(({ slug, title }) => [slug, title])"""


def english_left(page: Page, *names: str) -> list[str]:
    """Return the shown texts that have an English word.

    The `names` of people and rooms do not count.
    """
    if "/chat" in page.url:
        names = (*names, *filter(None, page.evaluate(ROOMS)))
    known = re.compile("|".join([*map(re.escape, sorted({*KNOWN, *names}, key=len, reverse=True)), OTHERS]))
    return [text for text in page.evaluate(SHOWN) if re.search(r"[A-Za-z]{2,}", known.sub("", text))]


def sign_up(visitor: Person) -> None:
    visitor.page.goto("/")
    expect(visitor.page.get_by_role("heading", name="欢迎回来")).to_be_visible()
    assert english_left(visitor.page) == []
    visitor.screenshot("zh-sign-in")
    visitor.page.get_by_role("link", name="注册账号").click()
    visitor.page.locator("input[name=username]").fill(f"{visitor.name} ?")
    visitor.page.locator("input[name=password]").fill("short")
    visitor.page.get_by_role("button", name="注册").click()
    expect(visitor.page.get_by_text("密码太短")).to_be_visible()
    assert english_left(visitor.page, visitor.name, "Ada") == []
    visitor.screenshot("zh-sign-up-refused")
    visitor.page.locator("input[name=username]").fill(visitor.name)
    visitor.page.locator("input[name=password]").fill(PASSWORD)
    visitor.page.get_by_role("button", name="注册").click()
    expect(visitor.page.get_by_role("button", name="当前账号")).to_be_attached()


@pytest.fixture
def ming(person: NewPerson) -> Person:
    return person("小明", signed_up=False, locale="zh-CN")


def test_no_english_word_is_left_under_zh_cn(ming: Person, bot: Bot) -> None:
    page, dialog = ming.page, ming.page.get_by_role("dialog")
    sign_up(ming)
    room, title = bot.make_room("项目讨论"), "项目讨论"
    # The room that every installation begins with keeps its title, and rooms of other tests theirs.
    names = (ming.name, bot.name, room, "Lobby", "no-such-room")

    def view(name: str) -> None:
        page.wait_for_timeout(300)
        ming.screenshot(f"zh-{name}")
        assert english_left(page, *names) == [], name

    def closed() -> None:
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)

    view("home")
    page.goto(f"/chat/{room}/")
    page.get_by_role("button", name="加入房间").click()
    bot.say(room, "早上好。发布说明可以审阅了。")
    expect(ming.rows).to_have_count(1)
    assert re.fullmatch(r"\d+年\d+月\d+日星期.*", ming.rows.locator("time").first.get_attribute("title") or "")
    expect(ming.messages.get_by_text("今天", exact=True)).to_be_visible()
    expect(page.get_by_test_id("presence")).to_contain_text("2 名成员")
    expect(page.get_by_role("complementary", name="成员")).to_contain_text("房主")
    view("room")
    page.get_by_role("button", name="更多操作").first.click()
    view("room-menu")
    page.get_by_role("menuitem", name="退出房间").click()
    expect(dialog.get_by_role("heading", name=f"退出“{title}”")).to_be_visible()
    view("leave")
    closed()
    page.keyboard.press("Control+k")
    expect(page.get_by_role("option").first).to_be_visible()
    view("jump")
    closed()
    page.get_by_role("button", name="新建房间").click()
    dialog.get_by_role("textbox", name="名称").fill(title)
    view("new-room")
    closed()
    page.get_by_role("button", name="当前账号").click()
    view("menu")
    page.get_by_role("menuitem", name="管理房间").click()
    expect(dialog.get_by_role("checkbox").first).to_be_visible()
    view("manage")
    closed()
    page.get_by_role("button", name="当前账号").click()
    page.get_by_role("menuitem", name="断开连接").click()
    expect(ming.banner).to_contain_text("你已断开连接")
    page.goto("/chat/no-such-room/")
    expect(page.get_by_role("heading", name="这里没有你可以查看的内容")).to_be_visible()
    view("no-such-room")


def test_language_is_changed_in_the_menu_and_stays(ming: Person) -> None:
    page = ming.page
    sign_up(ming)
    page.get_by_role("button", name="当前账号").click()
    page.get_by_role("menuitemradio", name="English").click()
    expect(page.get_by_role("heading", name=f"Hello, {ming.name}")).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "en"
    page.reload()
    expect(page.get_by_role("heading", name=f"Hello, {ming.name}")).to_be_visible()
    page.goto("/accounts/password/")
    expect(page.get_by_role("heading", name="Change your password")).to_be_visible()
    page.get_by_role("button", name="简体中文").click()
    expect(page.get_by_role("heading", name="修改密码")).to_be_visible()
    assert english_left(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_in_chinese_on_a_phone(person: NewPerson, bot: Bot, scheme: str) -> None:
    options: dict[str, Any] = {"locale": "zh-CN", "color_scheme": scheme, **PHONE}
    mei = person("小美", signed_up=False, **options)
    sign_up(mei)
    room = bot.make_room("周末去哪儿玩")
    mei.screenshot(f"zh-home-phone-{scheme}")
    mei.page.goto(f"/chat/{room}/")
    mei.page.get_by_role("button", name="加入房间").click()
    bot.say(room, "大家周末有空吗")
    expect(mei.rows).to_have_count(1)
    mei.screenshot(f"zh-room-phone-{scheme}")
    mei.page.get_by_role("button", name="成员").first.click()
    expect(mei.page.get_by_role("complementary", name="成员")).to_contain_text("房主")
    mei.screenshot(f"zh-members-phone-{scheme}")
    overflowing = mei.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    assert not overflowing
