"""A network without WebSockets: the page chats over an event stream.

It returns to a WebSocket when one works.
"""

import time

import pytest
from playwright.sync_api import expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson
from tests.support.cable import Cable

pytestmark = pytest.mark.browser

# Looks at a socket, minutes apart, come without a wait.
SOON = """
const later = window.setTimeout
window.setTimeout = (run, ms, ...rest) => later(run, ms >= 15000 && ms <= 120000 ? ms / 10 : ms, ...rest)
"""
# From the first socket that is refused to the stream.
FALLBACK_S = 5.0


def test_two_people_chat_over_a_stream_and_a_socket(person: NewPerson, bot: Bot, cable: Cable) -> None:
    room = bot.make_room("Behind a proxy")
    cable.upgrades = False
    ada, bob = person("Ada", base_url=cable.url, signed_up=False), person("Bob")
    ada.tolerate("WebSocket connection to")
    ada.context.add_init_script(SOON)
    streams: list[float] = []
    ada.page.on("request", lambda request: streams.append(time.monotonic()) if "/api/stream" in request.url else None)
    ada.sign_up()
    expect(ada.status).to_have_text("Connected")
    assert streams[0] - cable.refused_upgrades[0] < FALLBACK_S
    ada.open(room)
    bob.open(room)
    ada.say("without a socket")
    bob.sees("without a socket")
    bob.say("I see you")
    ada.sees("without a socket", "I see you")
    ada.all_sent()

    # A socket greets, and the stream is given up.
    with ada.page.expect_event("requestfailed", lambda request: "/api/stream" in request.url, timeout=40_000):
        cable.upgrades = True
    expect(ada.status).to_have_text("Connected")
    bob.say("and now?")
    ada.sees("without a socket", "I see you", "and now?")
    assert ada.seqs() == bob.seqs() == [1, 2, 3]
