"""Two people play in the page while the room watches."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson
from tests.browser.looks import findings
from tests.browser.person import PHONE, Person

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
