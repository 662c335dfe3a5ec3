"""Two people play in the page while the room watches."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Route, expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson
from tests.browser.looks import findings
from tests.browser.person import PHONE, SMALL_PHONE, Person

pytestmark = pytest.mark.browser

MOVES = ("f2f3", "e7e5", "g2g4", "d8h4")
# Black's last move takes a knight on the first rank.
PAWNS = (("b2b4", "a7a5"), ("a2a3", "a5b4"), ("h2h3", "b4a3"), ("h3h4", "a3a2"), ("h4h5", "a2b1"))


def square(one: Person, name: str) -> Locator:
    return one.page.locator(f"[data-square={name}]")


def move(one: Person, uci: str) -> None:
    square(one, uci[:2]).click()
    square(one, uci[2:]).click()


def board(one: Person) -> Locator:
    return one.page.get_by_role("article", name=re.compile("^Chess")).last


def start_game(white: Person, black: Person) -> None:
    white.page.get_by_role("button", name="Add to the conversation").click()
    white.page.get_by_role("menuitem", name="New game of chess").click()
    dialog = white.page.get_by_role("dialog")
    dialog.get_by_role("combobox", name="Against").select_option(black.name)
    dialog.get_by_role("button", name="Offer game").click()
    board(black).get_by_role("button", name="Accept").click()
    expect(board(white)).to_contain_text("Your turn")


def test_draw_is_declined_then_agreed_and_the_next_game_resigned(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Chess club")
    ada, bob = person("Ada", room=room), person("Bob", room=room)
    start_game(ada, bob)
    offer = board(ada).get_by_role("button", name="Offer draw")
    offer.click()
    for one in (ada, bob):
        expect(board(one).get_by_role("button", name="Accept draw")).to_have_count(1 if one is bob else 0)
    expect(offer).to_be_disabled()
    expect(board(ada)).to_contain_text(re.compile(f"{ada.name}.? offers a draw"))
    board(bob).get_by_role("button", name="Decline draw").click()
    expect(offer).to_be_enabled()
    expect(board(ada)).not_to_contain_text("offers a draw")
    offer.click()
    board(bob).get_by_role("button", name="Accept draw").click()
    for one in (ada, bob):
        expect(board(one)).to_contain_text("1/2-1/2 · draw agreed")
        expect(board(one).get_by_role("button", name="Resign")).to_have_count(0)

    start_game(ada, bob)
    board(bob).get_by_role("button", name="Resign").click()
    dialog = bob.page.get_by_role("dialog", name="Resign this game?")
    dialog.get_by_role("button", name="Cancel").click()
    expect(board(ada)).to_contain_text("Your turn")
    board(bob).get_by_role("button", name="Resign").click()
    dialog.get_by_role("button", name="Resign").click()
    for one in (ada, bob):
        expect(board(one)).to_contain_text("1-0 · resignation")
        expect(board(one).get_by_role("button", name="Rematch")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_two_play_and_one_watches(person: NewPerson, bot: Bot, scheme: Any) -> None:
    room = bot.make_room("Chess club")
    # The dark run is without the content security policy, which axe's script needs.
    ada = person("Ada", color_scheme=scheme, bypass_csp=scheme == "dark")
    bob = person("Bob", color_scheme=scheme, **({} if scheme == "light" else PHONE))
    eve = person("Eve")
    for one in (ada, bob, eve):
        one.open(room)
    ada.page.get_by_role("button", name="Add to the conversation").click()
    ada.page.get_by_role("menuitem", name="New game of chess").click()
    dialog = ada.page.get_by_role("dialog")
    dialog.get_by_text("5 + 0").click()
    dialog.get_by_role("combobox", name="Against").select_option(bob.name)
    dialog.get_by_role("button", name="Offer game").click()
    expect(eve.page.get_by_role("article", name=re.compile("^Chess"))).to_contain_text("Waits for an answer")
    expect(eve.page.get_by_role("button", name="Accept")).to_have_count(0)
    bob.page.get_by_role("button", name="Accept").click()
    expect(square(ada, "e2")).to_have_attribute("aria-label", "e2, white pawn")
    for number, uci in enumerate(MOVES[:-1]):
        player = (ada, bob)[number % 2]
        expect(player.page.get_by_role("article", name=re.compile("^Chess"))).to_contain_text("Your turn")
        move(player, uci)
        for one in (ada, bob, eve):
            expect(square(one, uci[2:])).to_have_attribute("aria-label", re.compile("pawn"))
    square(eve, "e5").click()
    expect(square(eve, "e5")).to_have_attribute("aria-pressed", "false")
    ada.screenshot(f"chess-{scheme}")
    bob.screenshot(f"chess-bob-{scheme}")
    if scheme == "dark":
        assert findings(ada.page) == []
    # The last move by keyboard: from black's side h8 is the first square, and up is towards rank 1.
    square(bob, "d8").click()
    expect(square(bob, "h4")).to_have_attribute("aria-label", "h4, empty, can be reached")
    for key in ("ArrowLeft",) * 4 + ("ArrowUp",) * 4:
        bob.page.keyboard.press(key)
    expect(square(bob, "h4")).to_be_focused()
    bob.page.keyboard.press("Enter")
    for one in (ada, bob, eve):
        expect(one.page.get_by_role("article", name=re.compile("^Chess"))).to_contain_text("0-1 · checkmate")
        expect(one.page.get_by_role("article", name=re.compile("^Chess"))).to_contain_text("2. g4 Qh4#")
    bob.page.get_by_role("button", name="Rematch").click()
    expect(ada.page.get_by_role("article", name=re.compile("^Chess"))).to_have_count(2)
    expect(ada.page.get_by_role("button", name="Accept")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", ["desktop", "phone"])
def test_opponent_of_a_large_room_is_searched_for(person: NewPerson, bot: Bot, device: str, scheme: Any) -> None:
    options = SMALL_PHONE if device == "phone" else {}
    ada = person("Ada", bypass_csp=True, room=bot.make_room("Large club"), color_scheme=scheme, **options)
    names = [
        "小明",
        "Maximilian-Alexander.von.und.zu.Hohenstein-Sigmaringen",
        *(f"member {number:03}" for number in range(1, 31)),
    ]
    members = [{"id": 1_000 + number, "name": name, "role": "member"} for number, name in enumerate(names)]

    def answer(route: Route) -> None:
        wanted = parse_qs(urlsplit(route.request.url).query).get("query", [""])[0]
        found = [one for one in members if wanted in str(one["name"])]
        route.fulfill(json={"members": found, "next": None if wanted else "more"})

    ada.page.route("**/members?*", answer)
    ada.page.get_by_role("button", name="Add to the conversation").click()
    ada.page.get_by_role("menuitem", name="New game of chess").click()
    dialog = ada.page.get_by_role("dialog")
    dialog.get_by_role("searchbox").fill("member 02")
    expect(dialog.get_by_text("member 001")).to_have_count(0)
    dialog.get_by_role("radio", name="member 021").check()
    dialog.get_by_role("searchbox").fill("")
    expect(dialog.get_by_role("radio", name="小明")).to_be_visible()
    expect(dialog.get_by_role("radio", name="member 021")).to_be_checked()
    ada.screenshot(f"chess-opponents-{device}-{scheme}")
    assert findings(ada.page) == []
    # All of a long list is reached, and the buttons stay in sight.
    assert ada.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(dialog.get_by_role("button", name="Offer game")).to_be_in_viewport(ratio=1)


def test_pawn_becomes_the_piece_that_is_chosen(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Chess club")
    ada = person("Ada", room=room)
    seq = bot.frame("chess.offer", room, key="offer", seconds=600, increment=0)["seq"]
    board(ada).get_by_role("button", name="Accept").click()
    for number, (whites, blacks) in enumerate(PAWNS):
        bot.frame("chess.move", room, key=f"move {number}", target=seq, move=whites)
        expect(board(ada)).to_contain_text("Your turn")
        move(ada, blacks)
    choices = ada.page.get_by_role("group", name="Promote to")
    expect(choices.get_by_role("button", name="black queen")).to_be_focused()
    ada.screenshot("chess-promotion")
    # Each piece is large enough to be seen.
    drawn = choices.locator("svg")
    assert min(drawn.nth(number).bounding_box()["width"] for number in range(4)) > 30  # type: ignore[index]
    ada.page.keyboard.press("Escape")
    expect(choices).to_have_count(0)
    expect(square(ada, "b1")).to_be_focused()
    move(ada, "a2b1")
    choices.get_by_role("button", name="black knight").click()
    expect(square(ada, "b1")).to_have_attribute("aria-label", "b1, black knight")
    expect(board(ada)).to_contain_text("axb1=N")
