"""WebSocketUser without Hubbub: a user of an echo server.

ECHO_PATH is the server's fault. The run ends when ECHO_UNTIL has happened: JSON of counts, as in the line below.

At the end it prints one line of JSON: the number of echoes, the ends of connections, and Locust's tables.
"""

import json
import os
from collections import Counter
from typing import Any

import gevent
from locust import events, task

from loadtest.closing import Closing
from loadtest.websocket_user import NotConnected, WebSocketUser

ENDINGS: Counter[str] = Counter()
ECHOES: Counter[str] = Counter()


class EchoUser(WebSocketUser):
    """Sends numbers and counts the echoes."""

    path = os.environ["ECHO_PATH"]
    heartbeat = float(os.environ["ECHO_HEARTBEAT"])
    backoff_first = 0.05
    connect_timeout = 2.5 * heartbeat

    def think(self) -> float:
        """Wait a tenth of a second."""
        return 0.1

    def on_start(self) -> None:
        """Connect; ENDINGS records a refusal."""
        self.said = 0
        self.due = 0.0
        self.connect()

    @task
    def speak(self) -> None:
        """Send the next number."""
        self.due = self.await_turn() or self.due
        self.said += 1
        try:
            self.send_text(str(self.said))
        except NotConnected:
            ECHOES["not connected"] += 1

    def on_text(self, text: str) -> None:
        """Count an echo."""
        self.record("echo", self.due, size=len(text))
        ECHOES["texts"] += 1

    def on_binary(self, data: bytes) -> None:
        """Count a binary echo."""
        ECHOES["binaries"] += 1

    def on_closed(self, closing: Closing) -> None:
        """Count a close code."""
        ENDINGS[f"{closing.how} {closing.status or closing.code}"] += 1


def enough(environment: Any) -> bool:
    """Whether both users came and each count is reached."""
    handshakes = sum(entry.num_requests for entry in environment.stats.entries.values() if entry.name == "handshake")
    counts = ECHOES | ENDINGS | Counter(handshakes=handshakes)
    return all(counts[name] >= least for name, least in json.loads(os.environ["ECHO_UNTIL"]).items())


@events.test_start.add_listener
def end_when_enough(environment: Any, **_: Any) -> None:
    """Quit the run early.

    A busy machine gets the time it needs, and no other waits for it.
    """

    def watch() -> None:
        while not enough(environment):
            gevent.sleep(0.1)
        environment.runner.quit()

    gevent.spawn(watch)


@events.quitting.add_listener
def say(environment: Any, **_: Any) -> None:
    """Print each entry of Locust's tables with its count, failures and bytes.

    And each error.
    """
    entries = {
        f"{entry.method} {entry.name}": [entry.num_requests, entry.num_failures, entry.total_content_length]
        for entry in environment.stats.entries.values()
    }
    errors = sorted({str(error.error) for error in environment.stats.errors.values()})
    counted = {"endings": ENDINGS, "echoes": ECHOES, "entries": entries, "errors": errors}
    print("COUNTED " + json.dumps(counted), flush=True)  # noqa: T201  # read by the test
