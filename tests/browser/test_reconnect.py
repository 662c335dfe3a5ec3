"""Messages on a bad line: none is missing, none comes twice, order is kept.

This is the most important promise.
"""

import re
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson, StartSite
from tests.browser.person import PHONE, Person
from tests.support.cable import Cable

pytestmark = pytest.mark.browser

# What Chromium says about a line that the test has cut.
LINE_CUT = ("WebSocket connection to", "net::ERR_", "Failed to load resource")


def disconnect(user: Person, cable: Cable) -> None:
    user.tolerate(*LINE_CUT)
    cable.cut()
    user.context.set_offline(True)
    expect(user.banner).to_contain_text("You are offline")


def back_again(user: Person, cable: Cable) -> None:
    cable.mend()
    user.context.set_offline(False)
    expect(user.status).to_have_text("Connected")
    expect(user.banner).to_have_count(0)


def test_somebody_is_cut_off_writes_on_and_comes_back(person: NewPerson, bot: Bot, cable: Cable) -> None:
    room = bot.make_room("Tunnel")
    ada, bob = person("Ada", base_url=cable.url, room=room), person("Bob", room=room)
    ada.say("before the tunnel")
    bob.sees("before the tunnel")
    ada.all_sent()

    disconnect(ada, cable)
    ada.say("written in the dark 1", "written in the dark 2")
    expect(ada.messages.get_by_text("Waiting for the connection")).to_have_count(2)
    expect(ada.banner).to_contain_text("2 messages wait to be sent")
    missed = [f"missed {number}" for number in range(1, 61)]
    bob.say("are you there?")
    bob.all_sent()
    bot.join(room)
    bot.say(room, *missed)
    expect(bob.rows.last).to_contain_text("missed 60")
    back_again(ada, cable)

    texts_in_order = ["before the tunnel", "are you there?", *missed, "written in the dark 1", "written in the dark 2"]
    ada.sees(*texts_in_order)
    bob.sees(*texts_in_order)
    assert ada.seqs() == bob.seqs() == list(range(1, len(texts_in_order) + 1))
    assert [message["text"] for message in bot.messages(room)] == texts_in_order
    expect(ada.messages.locator("[data-state]")).to_have_count(0)


@pytest.mark.parametrize(("keys", "name"), [("Control+Shift+F", "Search messages"), ("Control+k", "Jump to")])
def test_question_asked_without_a_line_is_answered_later(person: NewPerson, bot: Bot, cable: Cable, keys: str, name: str) -> None:
    room = bot.make_room("Observatory")
    ada = person("Ada", base_url=cable.url, room=room)
    ada.say("The observatory opens on Monday")
    ada.all_sent()
    ada.page.keyboard.press(keys)
    dialog = ada.page.get_by_role("dialog", name=name)
    expect(dialog.get_by_role("combobox")).to_be_focused()
    disconnect(ada, cable)
    dialog.get_by_role("combobox").fill("observatory")
    expect(dialog.get_by_role("alert")).to_be_visible()
    back_again(ada, cable)
    expect(dialog.get_by_role("alert")).to_have_count(0)
    expect(dialog.get_by_role("option").first).to_be_visible()


def test_a_cut_in_the_middle_of_writing_doubles_nothing(person: NewPerson, bot: Bot, cable: Cable) -> None:
    room = bot.make_room("Flapping")
    ada = person("Ada", base_url=cable.url, room=room)
    ada.tolerate(*LINE_CUT)
    texts_in_order = []
    for turn in range(5):
        texts = [f"turn {turn} line {line}" for line in range(4)]
        ada.say(*texts[:2])
        cable.cut()
        ada.say(*texts[2:])
        cable.mend()
        texts_in_order += texts
    ada.sees(*texts_in_order)
    assert [message["text"] for message in bot.messages(room)] == texts_in_order
    assert ada.seqs() == list(range(1, len(texts_in_order) + 1))
    expect(ada.banner).to_have_count(0)


def test_a_reload_without_a_line_loses_nothing(person: NewPerson, bot: Bot, cable: Cable) -> None:
    room = bot.make_room("Reload")
    ada = person("Ada", base_url=cable.url, room=room)
    ada.say("sent")
    ada.sees("sent")
    ada.all_sent()
    ada.page.get_by_role("button", name="Account of").click()
    ada.page.get_by_role("menuitem", name="Disconnect").click()
    expect(ada.banner).to_contain_text("You are disconnected")
    ada.say("kept 1", "kept 2")
    expect(ada.messages.get_by_text("Waiting for the connection")).to_have_count(2)
    ada.page.reload()
    ada.sees("sent", "kept 1", "kept 2")
    assert [message["text"] for message in bot.messages(room)] == ["sent", "kept 1", "kept 2"]


def test_unanswered_message_is_stored_once_across_a_reload(person: NewPerson, bot: Bot, cable: Cable) -> None:
    room = bot.make_room("Unanswered")
    ada = person("Ada", base_url=cable.url, room=room)
    ada.tolerate(*LINE_CUT)
    ada.say("heard of")
    ada.sees("heard of")
    ada.all_sent()
    cable.slow(0)
    ada.say("sent, and not heard of again")
    texts_in_order = ["heard of", "sent, and not heard of again"]
    ada.waits_for(lambda: [message["text"] for message in bot.messages(room)] == texts_in_order)
    expect(ada.messages.locator("[data-state=sending]")).to_have_count(1)
    ada.page.goto("about:blank")
    cable.cut()
    cable.slow(None)
    cable.mend()
    ada.open(room)
    ada.sees(*texts_in_order)
    ada.waits_for(lambda: len(ada.frames_sent("message.send")) == 3)
    expect(ada.messages.locator("[data-state]")).to_have_count(0)
    _, first, second = ada.frames_sent("message.send")
    assert first["key"] == second["key"]
    assert [message["text"] for message in bot.messages(room)] == texts_in_order


def test_message_written_while_its_room_loads_is_shown(person: NewPerson, bot: Bot, cable: Cable) -> None:
    room, other = bot.make_room("Loading"), bot.make_room("Loaded")
    bot.say(room, "there before")
    ada = person("Ada", base_url=cable.url, room=room)
    ada.open(other)
    cable.slow(0)
    ada.side_link("Loading").click()
    ada.say("too early to see")
    expect(ada.page.get_by_test_id("outgoing")).to_contain_text("too early to see")
    cable.slow(None)
    ada.sees("there before", "too early to see")
    expect(ada.page.get_by_test_id("outgoing")).to_have_count(0)


def test_a_page_that_is_long_on_its_way_is_asked_for_once(person: NewPerson, bot: Bot, cable: Cable) -> None:
    room = bot.make_room("Slow link")
    ada = person("Ada", base_url=cable.url, signed_up=False)
    ada.context.clock.install()
    ada.sign_up()
    ada.open(room)
    ada.say("before")
    ada.sees("before")
    ada.all_sent()
    disconnect(ada, cable)
    bot.join(room)
    bot.say(room, *(f"{number} " + "x" * 7_000 for number in range(1, 71)))
    cable.slow(10_000)
    back_again(ada, cable)
    # 400 kB are on their way for 40 s now, and 15 of them pass for the page.
    ada.page.clock.fast_forward(15_000)
    ada.waits_for(lambda: any("id" in frame for frame in ada.frames_sent("ping")))
    expect(ada.rows).to_have_count(1)
    cable.slow(None)
    expect(ada.rows.last).to_contain_text("70 xxx")
    expect(ada.status).to_have_text("Connected")
    asked = [frame["after"] for frame in ada.frames_sent("room.join") if "after" in frame]
    assert asked == sorted(set(asked))
    assert asked[0] == 1


NOT_LOADED = ("net::ERR_", "Failed to fetch dynamically imported module", "Unable to preload CSS")


@pytest.mark.parametrize("file", [r"main-[^/]*\.js", r"en-[^/]*\.js", r"vue-[^/]*\.js"])
def test_page_whose_files_fail_to_load_comes_back(person: NewPerson, bot: Bot, file: str) -> None:
    room = bot.make_room("Changing network")
    ada = person("Ada", room=room)
    ada.tolerate(*NOT_LOADED)
    asked: list[str] = []

    def fail_twice(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) <= 2:
            route.abort("connectionreset")
        else:
            route.fallback()

    ada.page.route(re.compile(f"/assets/{file}$"), fail_twice)
    ada.page.reload()
    notice = ada.page.get_by_text("The page could not be loaded. Trying again…")
    expect(notice).to_be_visible()
    expect(ada.composer).to_be_visible()
    expect(notice).to_be_hidden()
    assert len(asked) >= 3


def _cut_styles(ada: Person, *, times: int) -> list[str]:
    """Let the main stylesheet fail so often; return the requests for it."""
    asked: list[str] = []

    def fail(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) <= times:
            route.abort("connectionreset")
        else:
            route.fallback()

    ada.page.route(re.compile(r"/assets/main-[^/]*\.css$"), fail)
    return asked


def test_page_whose_stylesheet_fails_to_load_comes_back(person: NewPerson, bot: Bot) -> None:
    ada = person("Ada", room=bot.make_room("No styles"))
    ada.tolerate(*NOT_LOADED)
    asked = _cut_styles(ada, times=1)
    ada.page.reload()
    notice = ada.page.get_by_text("The page could not be loaded. Trying again…")
    expect(notice).to_be_visible()
    expect(notice).to_be_hidden()
    expect(ada.composer).to_be_visible()
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "The look of the page could not be loaded. Reload it to try again."), ("zh-hans", "页面样式未能加载")],
)
def test_page_without_its_stylesheet_is_reloaded_once(person: NewPerson, bot: Bot, language: str, said: str) -> None:
    ada = person("Ada", room=bot.make_room("Never styled"))
    ada.tolerate(*NOT_LOADED)
    ada.context.add_cookies([{"name": "django_language", "value": language, "url": ada.page.url}])
    asked = _cut_styles(ada, times=100)
    ada.page.reload()
    expect(ada.page.get_by_text(said)).to_be_visible()
    expect(ada.page.locator(".shell")).to_be_attached()
    ada.page.wait_for_timeout(2_500)  # longer than the pause before a reload
    assert len(asked) == 2
    expect(ada.page.get_by_text(said)).to_be_in_viewport()  # the app has scrolled to its composer
    ada.screenshot(f"no-styles-{language}")


@pytest.mark.parametrize(
    ("language", "said", "options"),
    [
        ("en", "The page could not be loaded. Trying again…", {"color_scheme": "light"}),
        ("zh-hans", "页面未能加载", {"color_scheme": "dark", **PHONE}),
    ],
)
def test_page_without_any_of_its_files_says_so(person: NewPerson, language: str, said: str, options: dict[str, Any]) -> None:
    ada = person("Ada", **options)
    ada.tolerate(*NOT_LOADED)
    ada.context.add_cookies([{"name": "django_language", "value": language, "url": ada.page.url}])
    ada.page.route("**/static/**", lambda route: route.abort("connectionreset"))
    ada.page.reload()
    expect(ada.page.get_by_text(said)).to_be_visible()
    ada.screenshot(f"no-files-{language}")
    ada.page.unroute_all()
    expect(ada.page.locator(".shell")).to_be_visible()


def test_unsent_message_of_a_removed_member_is_kept_and_shown(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Shut", private=True)
    ada = person()
    bot.invite(room, ada.name)
    ada.open(room)
    ada.page.get_by_role("button", name="Account of").click()
    ada.page.get_by_role("menuitem", name="Disconnect").click()
    ada.say("what I had to say")
    bot.remove(room, ada.name)
    ada.page.get_by_role("button", name="Connect", exact=True).click()
    kept = ada.page.get_by_test_id("outgoing")
    expect(kept).to_contain_text("what I had to say")
    expect(kept).to_contain_text("Not sent. You are not a member of this room.")
    ada.page.reload()
    expect(kept).to_contain_text("what I had to say")

    ada.page.get_by_role("link", name="Hubbub").click()
    notice = ada.page.get_by_text("was not sent")
    expect(notice).to_contain_text(room)
    ada.page.get_by_role("link", name="Look at it").click()
    expect(kept).to_contain_text("Not sent.")
    expect(notice).to_have_count(0)
    bot.invite(room, ada.name)
    bot.say(room, "come back")
    ada.sees("come back")
    ada.messages.get_by_role("button", name="Try again").click()
    expect(ada.messages.locator("[data-state]")).to_have_count(0)
    ada.sees("come back", "what I had to say")
    assert [message["text"] for message in bot.messages(room)] == ["come back", "what I had to say"]


def test_a_first_message_that_reaches_nobody_says_so(person: NewPerson) -> None:
    ada = person()
    me = ada.page.evaluate("fetch('/api/me').then(r => r.json())")["user"]["id"]
    ada.page.goto(f"/chat/dm-{me}-{me + 1_000_000}/")
    ada.say("is anybody there?")
    kept = ada.page.get_by_test_id("outgoing")
    expect(kept).to_contain_text("is anybody there?")
    expect(kept).to_contain_text("Not sent. There is no such person any more.")
    kept.get_by_role("button", name="Discard").click()
    expect(kept.get_by_role("listitem")).to_have_count(0)


def test_disconnecting_and_connecting_by_hand(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("By hand")
    ada = person("Ada", room=room)
    ada.page.get_by_role("button", name="Account of").click()
    ada.page.get_by_role("menuitem", name="Disconnect").click()
    expect(ada.status).to_have_text("Disconnected")
    bot.join(room)
    bot.say(room, "meanwhile")
    expect(ada.rows).to_have_count(0)
    ada.page.get_by_role("button", name="Connect", exact=True).click()
    ada.sees("meanwhile")
    expect(ada.status).to_have_text("Connected")


@pytest.mark.timeout(180)
def test_a_server_that_stops_and_starts_again_is_come_back_to(person: NewPerson, start_site: StartSite) -> None:
    site = start_site()
    with Bot(site.base_url) as bot:
        room = bot.make_room("Restart")
    ada, bob = person("Ada", base_url=site.base_url), person("Bob", base_url=site.base_url)
    for one in (ada, bob):
        one.open(room)
        one.tolerate(*LINE_CUT)
    ada.say("before")
    bob.sees("before")
    site.stop()
    expect(ada.banner).to_be_visible()
    ada.say("while it was away")
    site.start()
    ada.sees("before", "while it was away")
    bob.sees("before", "while it was away")
    bob.say("after")
    ada.sees("before", "while it was away", "after")
    assert ada.seqs() == [1, 2, 3]
