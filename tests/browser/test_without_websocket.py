"""A network that lets no WebSocket through: the page chats over an event stream, and returns when one works."""

import pytest
from playwright.sync_api import expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson

pytestmark = pytest.mark.browser

# As a proxy that refuses the upgrade, until the test lets it through. A look at a socket comes without a wait.
REFUSING = """
const Real = window.WebSocket
window.WebSocket = function (url) {
  if (window.upgradesWork) return new Real(url)
  const refused = { readyState: 0, send() {}, close() {} }
  setTimeout(() => refused.onclose?.({ code: 1006 }), 5)
  return refused
}
const later = window.setTimeout
window.setTimeout = (run, ms, ...rest) => later(run, ms >= 15000 && ms <= 120000 ? ms / 10 : ms, ...rest)
"""


def test_two_people_chat_over_a_stream_and_a_socket(person: NewPerson, bot: Bot) -> None:
    room = bot.make_room("Behind a proxy")
    ada, bob = person("Ada"), person("Bob")
    ada.context.add_init_script(REFUSING)
    streams: list[str] = []
    ada.page.on("request", lambda request: streams.append(request.url) if "/api/stream" in request.url else None)
    ada.open(room)
    bob.open(room)
    ada.say("without a socket")
    bob.sees("without a socket")
    bob.say("I see you")
    ada.sees("without a socket", "I see you")
    ada.all_sent()
    assert streams

    with ada.page.expect_websocket(timeout=40_000):
        ada.page.evaluate("window.upgradesWork = true")
    expect(ada.status).to_have_text("Connected")
    bob.say("and now?")
    ada.sees("without a socket", "I see you", "and now?")
    assert ada.seqs() == bob.seqs() == [1, 2, 3]
