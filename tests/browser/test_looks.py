"""Accessibility (axe), and pictures of the page, kept in artifacts/screenshots/."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson
from tests.browser.looks import findings
from tests.browser.person import PHONE, Person
from tests.support.server import Server

pytestmark = pytest.mark.browser

# WCAG 1.4.11: what says that something is selected, hovered or focused.
STATE_CONTRAST = 3.0

CONVERSATION = [
    ("second", "Morning! The release notes are up for review: https://example.org/notes/1.4"),
    ("second", "Could somebody read them before noon?"),
    ("first", "On it ☕"),
    ("first", "Two things so far:\n1. the way from 1.2 is missing\n2. what people see while a server restarts needs a sentence"),
    ("third", "I can write that one. I watched it yesterday: they see nothing at all, the page moves on by itself."),
    ("second", "Perfect. Then we ship at three 🎉"),
]
# Names are taken once; every scene has a cast of its own.
CASTS = iter(
    [("Ada", "Grace", "Katherine"), ("Alan", "Barbara", "Edsger"), ("Margaret", "Dennis", "Radia"), ("Anita", "Ken", "Adele")]
)


@pytest.fixture
def scene(site: Server, bot: Bot, person: NewPerson) -> Iterator[Any]:
    """Build a workspace as it looks after a morning.

    `scene(**context options)` makes a person in the middle of it.

    Those who write stay until the pictures are taken: they show who is online.
    """
    with ExitStack() as present:

        def build(**options: Any) -> tuple[Person, str]:
            first, second, third = next(CASTS)
            one, other = (present.enter_context(Bot(site.base_url, name)) for name in (second, third))
            room = one.make_room("Launch week")
            ada = person(first, exact_name=True, bypass_csp=True, **options)
            for title in ("Design", "Support"):
                quiet = bot.make_room(title)
                ada.open(quiet)
                bot.say(quiet, "Welcome to the room")
                expect(ada.rows).to_have_count(1)
            ada.open(room)
            for number, (who, text) in enumerate(CONVERSATION, start=1):
                if who == "first":
                    ada.say(text)
                else:
                    writer = one if who == "second" else other
                    writer.join(room)
                    writer.say(room, text)
                expect(ada.rows).to_have_count(number)
            other.write_to(ada.name, "Lunch after the release?")
            expect(ada.page.locator("nav a", has_text=third)).to_be_attached()  # hidden on a phone
            expect(ada.page.get_by_test_id("presence")).to_contain_text("3 online")
            ada.page.mouse.move(0, 0)
            ada.page.wait_for_timeout(1_200)  # the members list and the read mark settle
            return ada, room

        yield build


def test_the_account_pages(person: NewPerson) -> None:
    for scheme in ("light", "dark"):
        visitor = person("Visitor", signed_up=False, bypass_csp=True, color_scheme=scheme)
        for path, name in (("/", "sign-in"), ("/accounts/sign-up/", "sign-up")):
            visitor.page.goto(path)
            visitor.screenshot(f"{name}-desktop-{scheme}")
            assert findings(visitor.page) == []
    phone = person("Visitor", signed_up=False, bypass_csp=True, **PHONE)
    phone.page.goto("/")
    phone.screenshot("sign-in-phone-light")
    assert findings(phone.page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_chat_on_a_desktop(scene: Any, scheme: str) -> None:
    ada, _ = scene(color_scheme=scheme, device_scale_factor=2)
    ada.screenshot(f"chat-desktop-{scheme}")
    if scheme == "light":
        ada.screenshot("readme")
    assert findings(ada.page) == []
    ada.page.get_by_role("button", name="Account of").click()
    ada.screenshot(f"menu-desktop-{scheme}")
    assert findings(ada.page) == []
    ada.page.keyboard.press("Escape")
    ada.page.keyboard.press("Control+k")
    expect(ada.page.get_by_role("option").first).to_be_visible()
    ada.screenshot(f"jump-desktop-{scheme}")
    assert findings(ada.page) == []
    ada.page.keyboard.press("Escape")
    ada.page.get_by_role("button", name="New room").click()
    ada.screenshot(f"new-room-desktop-{scheme}")
    assert findings(ada.page) == []
    ada.page.keyboard.press("Escape")
    ada.page.get_by_role("button", name="Account of").click()
    ada.page.get_by_role("menuitem", name="Disconnect").click()
    ada.say("This one waits")
    expect(ada.messages.get_by_text("Waiting for the connection")).to_be_visible()
    ada.screenshot(f"disconnected-desktop-{scheme}")
    assert findings(ada.page) == []
    ada.page.get_by_role("link", name="Hubbub").click()
    expect(ada.page.get_by_role("heading", name=f"Hello, {ada.name}")).to_be_visible()
    ada.screenshot(f"home-desktop-{scheme}")
    assert findings(ada.page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_chat_on_a_phone(scene: Any, scheme: str) -> None:
    ada, _ = scene(color_scheme=scheme, **PHONE)
    ada.screenshot(f"chat-phone-{scheme}")
    assert findings(ada.page) == []
    ada.page.get_by_role("button", name="Members").click()
    expect(ada.page.get_by_role("complementary", name="Members")).to_contain_text("you")
    ada.screenshot(f"members-phone-{scheme}")
    assert findings(ada.page) == []
    ada.page.get_by_role("button", name="Close members").click()
    ada.page.get_by_role("link", name="Back to all conversations").click()
    ada.screenshot(f"rooms-phone-{scheme}")
    assert findings(ada.page) == []


# The contrast of an element's outline with what is around it, once its transitions have ended.
OUTLINE_CONTRAST = """element => {
    const rgb = (color) => color.match(/[\\d.]+/g).map(Number)
    const luminance = (color) => {
        const linear = (part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        const [r, g, b] = rgb(color).map((part) => linear(part / 255))
        return 0.2126 * r + 0.7152 * g + 0.0722 * b
    }
    const background = (one) => {
        const color = getComputedStyle(one).backgroundColor
        return rgb(color)[3] === 0 && one.parentElement ? background(one.parentElement) : color
    }
    const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(element)
    if (outlineStyle === 'none' || parseFloat(outlineWidth) < 1) return 0
    return Math.min(...[element, element.parentElement].map((around) => {
        const [dark, light] = [luminance(outlineColor), luminance(background(around))].sort((a, b) => a - b)
        return (light + 0.05) / (dark + 0.05)
    }))
}"""


def outline_contrast(target: Locator) -> float:
    target.page.wait_for_timeout(250)
    contrast: float = target.evaluate(OUTLINE_CONTRAST)
    return contrast


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_states_have_a_mark_with_enough_contrast(person: NewPerson, bot: Bot, scheme: str) -> None:
    rooms = [bot.make_room("States one"), bot.make_room("States two")]
    ada = person(color_scheme=scheme)
    for room in rooms:
        ada.open(room)
    ada.page.mouse.move(0, 0)
    assert outline_contrast(ada.side_link("States two")) >= STATE_CONTRAST
    members = ada.page.get_by_role("button", name="Members", exact=True)
    assert outline_contrast(members) >= STATE_CONTRAST
    for target in (
        ada.side_link("States one"),
        ada.page.get_by_role("button", name="New room"),
        ada.page.get_by_role("button", name="Account of"),
    ):
        target.hover()
        assert outline_contrast(target) >= STATE_CONTRAST, target
    ada.page.get_by_role("button", name="Account of").press("Enter")
    assert outline_contrast(ada.page.get_by_role("menuitemradio", name="Like the system")) >= STATE_CONTRAST
    ada.page.keyboard.press("Escape")
    ada.page.keyboard.press("Control+k")
    ada.page.get_by_role("combobox").fill("States")
    assert outline_contrast(ada.page.get_by_role("option", selected=True)) >= STATE_CONTRAST


def test_selection_is_seen_in_forced_colors(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("High contrast")
    ada = person(forced_colors="active", room=room)
    ada.screenshot("chat-desktop-forced")
    ada.page.keyboard.press("Control+k")
    chosen = ada.page.get_by_role("option", selected=True)
    expect(chosen).to_be_visible()
    ada.screenshot("jump-desktop-forced")
    assert outline_contrast(chosen) >= STATE_CONTRAST
    ada.page.keyboard.press("Escape")
    assert outline_contrast(ada.side_link("High contrast")) >= STATE_CONTRAST


@pytest.mark.parametrize(
    "options", [{"color_scheme": "light"}, {"color_scheme": "dark", **PHONE}], ids=["desktop-light", "phone-dark"]
)
def test_every_other_view_shuts_nobody_out(
    person: NewPerson, bot: Bot, options: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    look = request.node.callspec.id
    room, public = bot.make_room("Cabinet", private=True), bot.make_room(f"Square {bot.name}")
    ada = person(bypass_csp=True, **options)
    bot.invite(room, ada.name)

    def view(name: str) -> None:
        ada.page.wait_for_timeout(300)
        ada.screenshot(f"{name}-{look}")
        assert findings(ada.page) == [], name

    ada.page.goto("/chat/no-such-room/")
    expect(ada.page.get_by_role("heading", name="There is nothing here for you")).to_be_visible()
    view("no-such-room")
    ada.page.goto(f"/chat/{public}/")
    expect(ada.page.get_by_role("button", name="Join the room")).to_be_visible()
    view("join-room")
    ada.open(room)
    view("empty-room")
    dialog = ada.page.get_by_role("dialog")
    for item in ("Add people", "Leave this room"):
        ada.page.get_by_role("button", name="More about this room").click()
        ada.page.get_by_role("menuitem", name=item).click()
        expect(dialog.get_by_role("button").last).to_be_enabled()
        view(item.lower().replace(" ", "-"))
        ada.page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
    ada.composer.fill("unfinished")
    bot.fill(room, 40)
    bot.remove(room, ada.name)
    expect(ada.page.get_by_role("heading", name="You were removed from Cabinet")).to_be_visible()
    view("removed")
    ada.page.goto("/chat/")
    ada.page.get_by_role("button", name="Browse rooms").first.click()
    expect(dialog.get_by_role("button", name="Join").first).to_be_visible()
    view("browse")


def test_axe_would_find_something(person: NewPerson) -> None:
    visitor = person("Visitor", signed_up=False, bypass_csp=True)
    visitor.page.goto("/")
    visitor.page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<button></button>')")
    assert any("button-name" in finding for finding in findings(visitor.page))
