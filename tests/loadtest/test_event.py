"""Users wake at the end of a run, whenever they look."""

import subprocess
import sys

import pytest

from tests.support.server import ROOT, base_environment

# In a process of its own, for gevent. With gevent's own event several rounds of 300 left most users waiting.
ROUNDS = """
import random, time
import gevent
from loadtest.event import Event

dice = random.Random(SEED)
for _ in range(300):
    event = Event()

    def user():
        while not event.is_set():
            event.wait(dice.choice([0, 0.0005, 0.001]))
        for _ in range(3):
            event.wait(0)

    users = [gevent.spawn(user) for _ in range(20)]
    gevent.sleep(dice.random() * 0.01)
    time.sleep(0.003)
    event.set()
    gevent.joinall(users, timeout=20)
    assert all(one.dead for one in users), "users wait for an event that is set"
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_no_user_waits_for_an_event_that_is_set(seed: int) -> None:
    command = [sys.executable, "-c", ROUNDS.replace("SEED", str(seed))]
    done = subprocess.run(command, env=base_environment(), cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
