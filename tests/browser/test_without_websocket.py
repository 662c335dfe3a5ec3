"""A network without WebSockets: the page chats over an event stream.

It returns to a WebSocket when one works.
"""

import time
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson
from tests.browser.person import PHONE
from tests.support.cable import Cable

pytestmark = pytest.mark.browser

# Looks at a socket, minutes apart, come without a wait.
SOON = """
const later = window.setTimeout
window.setTimeout = (run, ms, ...rest) => later(run, ms >= 15000 && ms <= 120000 ? ms / 10 : ms, ...rest)
"""
# From the first socket that is refused to the stream.
FALLBACK_S = 5.0


@pytest.mark.parametrize("options", [{}, {"color_scheme": "dark", **PHONE}], ids=["desktop", "phone"])
def test_two_people_chat_over_a_stream_and_a_socket(
    person: NewPerson, bot: Bot, cable: Cable, options: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    room = bot.make_room("Behind a proxy")
    cable.upgrades = False
    cable.refused_upgrades.clear()
    ada, bob = person("Ada", base_url=cable.url, signed_up=False, **options), person("Bob")
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
    expect(ada.page.get_by_text("3 members · 3 online")).to_be_visible()  # with the bot
    ada.screenshot(f"without-websocket-{request.node.callspec.id}")

    # A socket greets, and the stream is given up.
    with ada.page.expect_event("requestfailed", lambda request: "/api/stream" in request.url, timeout=40_000):
        cable.upgrades = True
    expect(ada.status).to_have_text("Connected")
    bob.say("and now?")
    ada.sees("without a socket", "I see you", "and now?")
    assert ada.seqs() == bob.seqs() == [1, 2, 3]
