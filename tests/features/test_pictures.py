"""Pictures of each feature for the page of features and the docs.

`scripts/pictures` takes them from artifacts/screenshots.
"""

import io
import math
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageOps
from playwright.sync_api import FilePayload, expect

from tests.browser.bot import Bot
from tests.browser.conftest import NewPerson
from tests.browser.person import Person
from tests.support.server import Server

pytestmark = pytest.mark.browser

# As large as the page shows them, twice.
SIZE = {"width": 640, "height": 400}
# The conversation alone.
ALONE = ".header, .beginning, .composer { display: none !important }"


class Scene:
    """Ada in front of a room in which two others are at work."""

    def __init__(self, ada: Person, grace: Bot, alan: Bot, room: str) -> None:
        self.ada, self.grace, self.alan, self.room = ada, grace, alan, room

    def new(self, kind: str, **fields: Any) -> int:
        """Begin a thing and return its seq."""
        return int(self.grace.frame(kind, self.room, key=secrets.token_hex(8), **fields)["seq"])

    def panel(self, title: str) -> None:
        """Open a panel of the room, which is as wide as the picture."""
        self.ada.page.get_by_role("button", name="In this room").click()
        self.ada.page.get_by_role("menuitemcheckbox", name=title).click()


def polls(scene: Scene) -> None:
    seq = scene.new("poll.create", question="Where shall we have lunch?", options=["The noodle place", "Pizza", "At the desk"])
    for bot, choice in ((scene.grace, 0), (scene.alan, 1)):
        bot.frame("poll.vote", scene.room, key="vote", target=seq, choices=[choice])
    scene.ada.page.get_by_role("radio", name="Pizza").check()
    scene.ada.page.get_by_role("button", name="Vote", exact=True).click()
    expect(scene.ada.page.get_by_text("3 people voted")).to_be_visible()


def surveys(scene: Scene) -> None:
    # Short enough to be seen whole, with its results.
    questions = [{"kind": "several", "text": "What went well?", "options": ["Plan", "People", "Tools"]}]
    seq = scene.new("survey.create", title="After the launch", questions=questions)
    scene.grace.frame("survey.answer", scene.room, key="mine", target=seq, answers=[[0, 1]])
    scene.alan.frame("survey.answer", scene.room, key="mine", target=seq, answers=[[1]])
    scene.ada.page.get_by_role("checkbox", name="People").check()
    scene.ada.page.get_by_role("button", name="Send answers").click()
    expect(scene.ada.page.get_by_text("3 people answered")).to_be_visible()


def quiz(scene: Scene) -> None:
    choices = ["Mars", "Jupiter", "Venus", "Saturn"]
    questions = [{"text": "Which planet has the most mass?", "choices": choices, "right": 1, "seconds": 60}]
    seq = scene.new("quiz.create", title="Planets", questions=questions)
    scene.grace.frame("quiz.start", scene.room, key="start", target=seq)
    scene.alan.frame("quiz.answer", scene.room, key="answer", target=seq, question=0, choice=3)
    # The question alone: a window of this height would show half of it.
    scene.ada.page.add_style_tag(content=".running { flex: 1 !important; max-height: none !important }")
    scene.ada.messages.evaluate("(list) => list.parentElement.style.display = 'none'")
    scene.ada.page.get_by_role("button", name="Jupiter").click()


def typing(scene: Scene) -> None:
    scene.grace.say(scene.room, "Are the notes of the release up?", "I can read them before noon.")
    expect(scene.ada.rows).to_have_count(2)
    for bot in (scene.grace, scene.alan):
        bot.tell("typing", scene.room)
    expect(scene.ada.page.get_by_text("are typing")).to_be_visible()


def location(scene: Scene) -> None:
    for bot, latitude, longitude in ((scene.grace, 52.52, 13.4), (scene.alan, 48.86, 2.35)):
        bot.frame("location.share", scene.room, key=secrets.token_hex(8), seconds=900)
        bot.frame("location.update", scene.room, latitude=latitude, longitude=longitude, accuracy=30)
    scene.panel("Map")
    expect(scene.ada.page.locator(".map-pin")).to_have_count(2)


def sensors(scene: Scene) -> None:
    begun = datetime.now(UTC) - timedelta(minutes=10)
    for step in range(40):
        at = (begun + timedelta(seconds=15 * step)).isoformat()
        found = [("Greenhouse", 21 + 2 * math.sin(step / 5)), ("Cellar", 12 + math.cos(step / 7))]
        readings = [{"sensor_id": name, "value": round(value, 2), "at": at} for name, value in found]
        scene.grace.frame("sensor.push", scene.room, readings=readings)
    scene.panel("Sensors")
    expect(scene.ada.page.get_by_role("img", name="Chart of Greenhouse")).to_be_visible()


def mentions(scene: Scene) -> None:
    scene.grace.say(scene.room, f"@{scene.ada.name} could you read the notes of the release?", "They are due at noon.")
    expect(scene.ada.rows).to_have_count(2)
    scene.ada.page.add_style_tag(content=".composer { display: revert !important }")
    scene.ada.composer.click()
    scene.ada.page.keyboard.type("Sure, and @")
    expect(scene.ada.page.get_by_role("option").first).to_be_visible()


def search(scene: Scene) -> None:
    scene.grace.say(scene.room, "The release notes are up for review.", "We release at three.", "Lunch?")
    scene.alan.say(scene.room, "After the release, please.")
    scene.ada.page.keyboard.press("Control+Shift+F")
    scene.ada.page.get_by_role("combobox", name="Search").fill("release")
    expect(scene.ada.page.get_by_role("option")).to_have_count(3)


def notes(scene: Scene) -> None:
    scene.ada.page.add_style_tag(content=".composer { display: revert !important }")
    scene.ada.page.get_by_role("button", name="Add to the conversation").click()
    scene.ada.page.get_by_role("menuitem", name="New note").click()
    dialog = scene.ada.page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Title").fill("Plan of the release")
    dialog.get_by_role("button", name="Create note").click()
    expect(scene.ada.page.locator(".cm-content")).to_be_focused()
    for line in ("# Before noon", "- Read the notes together", "- Say when we start", "", "# After"):
        scene.ada.page.keyboard.type(line)
        scene.ada.page.keyboard.press("Enter")


def chess(scene: Scene) -> None:
    seq = scene.new("chess.offer", seconds=600, increment=5)
    scene.alan.frame("chess.accept", scene.room, key="accept", target=seq)
    for number, move in enumerate(("e2e4", "e7e5", "g1f3", "b8c6", "f1b5")):
        bot = (scene.grace, scene.alan)[number % 2]
        bot.frame("chess.move", scene.room, key=f"move {number}", target=seq, move=move)
    expect(scene.ada.page.get_by_role("grid").or_(scene.ada.page.locator(".board")).first).to_be_visible()


def webhooks(scene: Scene) -> None:
    scene.panel("Webhooks")
    scene.ada.page.get_by_role("textbox", name="Name").fill("Build server")
    scene.ada.page.get_by_role("button", name="Make").click()
    expect(scene.ada.page.get_by_role("region", name="Build server is ready")).to_be_visible()
    scene.ada.page.evaluate("document.activeElement.blur()")


def files(scene: Scene) -> None:
    scene.ada.page.add_style_tag(content=".composer { display: revert !important }")
    with scene.ada.page.expect_file_chooser() as chooser:
        scene.ada.page.get_by_role("button", name="Attach files").click()
    chooser.value.set_files(
        [
            FilePayload(name="harbour.png", mimeType="image/png", buffer=evening()),
            FilePayload(name="Plan of the release.pdf", mimeType="application/pdf", buffer=b"%PDF-1.7\n" + b"x" * 180_000),
        ]
    )
    expect(scene.ada.page.get_by_test_id("uploads").locator("[data-state=done]")).to_have_count(2)
    scene.ada.composer.fill("The harbour this evening")
    scene.ada.page.get_by_role("button", name="Send").click()
    image = scene.ada.messages.get_by_role("img", name="harbour.png")
    expect(image).to_have_js_property("complete", True)
    scene.ada.page.add_style_tag(content=".composer { display: none !important }")


def evening() -> bytes:
    """Return a picture of the sun above the sea."""
    size, horizon = (800, 450), 290
    sky = Image.linear_gradient("L").resize(size)
    picture = ImageOps.colorize(sky, (58, 62, 110), (250, 176, 112), mid=(226, 120, 112))
    drawn = ImageDraw.Draw(picture)
    drawn.ellipse((340, horizon - 90, 460, horizon + 30), fill=(255, 226, 170))
    sea = ImageOps.colorize(sky.crop((0, 0, size[0], size[1] - horizon)), (70, 84, 128), (30, 40, 78))
    picture.paste(sea, (0, horizon))
    for step in range(6):
        drawn.line((340 + 10 * step, horizon + 14 + 22 * step, 460 - 10 * step, horizon + 14 + 22 * step), (255, 214, 160), 4)
    data = io.BytesIO()
    picture.save(data, "PNG")
    return data.getvalue()


def notifications(scene: Scene) -> None:
    scene.ada.context.grant_permissions(["notifications"])
    scene.ada.page.goto("/chat/")
    scene.ada.page.get_by_role("button", name="Account of").click()
    scene.ada.page.get_by_role("menuitem", name="Notifications…").click()
    dialog = scene.ada.page.get_by_role("dialog", name="Notifications")
    dialog.get_by_role("switch", name="Do not disturb me").check()
    expect(dialog.get_by_label("From", exact=True)).to_have_value("22:00")
    scene.ada.page.evaluate("document.activeElement.blur()")


def demo(scene: Scene) -> None:
    page = scene.ada.page
    page.goto("/demo/websocket")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("status")).to_have_text("Open")
    for text in ("Are the notes of the release up?", "Lunch at noon"):
        page.get_by_label("Message").fill(text)
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_role("listitem").first).to_contain_text(text)


# The stream's own text, as `curl -N` prints it, above the conversation.
STREAM = """async (room) => {
  const shown = document.body.appendChild(document.createElement('pre'))
  shown.style.cssText = 'position: fixed; inset: 0 0 auto; z-index: 9; height: 244px; margin: 0; padding: 12px 24px; '
    + 'overflow: hidden; white-space: pre-wrap; overflow-wrap: anywhere; border-bottom: 1px solid var(--line); '
    + 'background: var(--sunken); font: 11px/1.45 monospace'
  shown.textContent = `$ curl -N -H "Authorization: Token $TOKEN" "$URL/api/stream?room=${room}"\\n\\n`
  const answer = await fetch(`/api/stream?room=${room}`)
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
  let joined
  const ready = new Promise((done) => (joined = done))
  const read = async () => {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      if (part.value.includes('"type":"room.joined"')) joined()
      const events = part.value.split('\\n\\n').filter((event) => event.startsWith('id: '))
      shown.textContent += events.map((event) => `${event}\\n\\n`).join('')
    }
  }
  void read()
  await ready
}"""


def stream(scene: Scene) -> None:
    scene.ada.page.evaluate(STREAM, scene.room)
    scene.grace.say(scene.room, "Are the notes of the release up?")
    scene.alan.say(scene.room, "They are: no socket, and still here.")
    expect(scene.ada.rows).to_have_count(2)
    expect(scene.ada.page.locator("body > pre")).to_contain_text("and still here")


QUESTIONS = (polls, surveys, quiz)
SHOWN_LIVE = (typing, location, sensors, stream)
MESSAGES = (mentions, search, files, notifications, webhooks)
MORE = (notes, chess, demo)
SCENES: dict[str, Callable[[Scene], None]] = {made.__name__: made for made in (*QUESTIONS, *SHOWN_LIVE, *MESSAGES, *MORE)}


@pytest.fixture
def bots(site: Server) -> Iterator[tuple[Bot, Bot]]:
    number = secrets.token_hex(2)
    with ExitStack() as exits:
        yield tuple(exits.enter_context(Bot(site.base_url, f"{name}-{number}")) for name in ("Grace", "Alan"))  # type: ignore[misc]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", SCENES)
def test_picture_of_a_feature(person: NewPerson, bots: tuple[Bot, Bot], name: str, scheme: str) -> None:
    ada = person("Ada", bypass_csp=True, color_scheme=scheme, viewport=SIZE, device_scale_factor=2)
    cookies = {one["name"]: one["value"] for one in ada.context.cookies()}
    room = f"{name}-{secrets.token_hex(3)}"
    headers = {"X-CSRFToken": cookies["csrftoken"]}
    assert ada.context.request.post("/api/rooms", data={"slug": room, "title": "Launch week"}, headers=headers).ok
    for bot in bots:
        bot.join(room)
    ada.open(room)
    scene = Scene(ada, *bots, room)
    in_panel = name in {"location", "sensors", "webhooks"}
    if not in_panel:
        ada.page.add_style_tag(content=ALONE)
    SCENES[name](scene)
    ada.page.mouse.move(0, 0)
    time.sleep(0.6)  # bars, boards and maps come to rest
    ada.screenshot(f"picture-{name}-{scheme}")
