"""`python -m bench.charts`: measure the load of live charts on a page.

The charts show 20 sensors at 10 values a second. Chromium without a graphics card draws a room with its charts open and closed,
in turn. Prints frames a second, and the processor time of the page's main thread, which other work of the machine does not
change.
"""

from __future__ import annotations

import argparse
import json
import math
import secrets
import statistics
import subprocess
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import CDPSession, Page, expect, sync_playwright
from websockets.sync.client import connect

from tests.browser.bot import Bot
from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.browser.person import Person
from tests.support.profile import profile
from tests.support.server import ROOT, Server, base_environment, manage

SENSORS = 20
PER_S = 10
SECONDS = 5
FRAMES = """(ms) => new Promise((resolve) => {
  let frames = 0
  const begun = performance.now()
  const next = (now) => (frames++, now - begun < ms ? requestAnimationFrame(next) : resolve(frames / ((now - begun) / 1000)))
  requestAnimationFrame(next)
})"""


def push_until(stop: threading.Event, base_url: str, room: str, token: str) -> None:
    with connect(base_url.replace("http", "ws", 1) + "/ws/", additional_headers={"Authorization": f"Token {token}"}) as socket:
        replies = threading.Thread(target=lambda: [None for _ in socket], daemon=True)
        replies.start()
        due = time.monotonic()
        while not stop.is_set():
            now = time.time()
            readings = [
                {"sensor_id": f"sensor {n:02}", "value": round(20 + n + 3 * math.sin(now / 5 + n), 2)} for n in range(SENSORS)
            ]
            socket.send(json.dumps({"type": "sensor.push", "room": room, "readings": readings}))
            due += 1 / PER_S
            stop.wait(max(0.0, due - time.monotonic()))


def main_thread_s(session: CDPSession) -> float:
    """Return the processor time of the page's tasks so far."""
    metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return float(metrics["TaskDuration"])


def measure(page: Page, session: CDPSession) -> tuple[float, float]:
    """Return frames a second, and the share of a core that the main thread takes."""
    before = main_thread_s(session)
    rate = float(page.evaluate(FRAMES, SECONDS * 1_000))
    return rate, (main_thread_s(session) - before) / SECONDS


def switch_charts(page: Page) -> None:
    page.get_by_role("button", name="In this room").click()
    page.get_by_role("menuitemcheckbox", name="Sensors").click()
    time.sleep(2)


def own_site(exits: ExitStack) -> str:
    """Start an embedded server with the built front end."""
    static = Path(exits.enter_context(tempfile.TemporaryDirectory()))
    subprocess.run([ROOT / "scripts" / "setup", "frontend"], cwd=ROOT, check=True, timeout=600)
    env = {"STATIC_ROOT": str(static / "static"), "DATA_DIR": str(static / "data")}
    manage("collectstatic", "--no-input", "--verbosity", "0", env=base_environment() | env)
    server = Server(profile, {"STATIC_ROOT": env["STATIC_ROOT"], "LIMIT_MESSAGES_PER_S": "0"})
    exits.callback(server.close)
    server.start()
    return server.base_url


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a server that runs already")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with ExitStack() as exits:
        url = options.url or own_site(exits)
        device = exits.enter_context(Bot(url, f"device-{secrets.token_hex(3)}"))
        room = device.make_room("Greenhouse")
        stop = threading.Event()
        pushing = threading.Thread(target=push_until, args=(stop, url, room, device.token), daemon=True)
        pushing.start()
        exits.callback(pushing.join, 5)
        exits.callback(stop.set)
        browser = exits.enter_context(sync_playwright()).chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        exits.callback(browser.close)
        ada = Person(browser, url, "Ada", viewport={"width": 1280, "height": 2400})
        ada.sign_up()
        ada.open(room)
        session = ada.context.new_cdp_session(ada.page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        found: dict[str, list[tuple[float, float]]] = {"closed": [], "open": []}
        for _ in range(options.rounds):
            found["closed"].append(measure(ada.page, session))
            switch_charts(ada.page)
            expect(ada.page.locator(".uplot")).to_have_count(SENSORS)
            found["open"].append(measure(ada.page, session))
            switch_charts(ada.page)
        for name, rows in found.items():
            rate, share = (statistics.median(column) for column in zip(*rows, strict=True))
            print(f"charts {name}: {rate:.1f} frames/s, main thread {share:.2f} of a core")


if __name__ == "__main__":
    main()
