"""People who chat: each signs up, joins one of the rooms and follows its profile.

The shape sets their number.

scripts/load                       # or: make load URL=… USERS=… TIME=60s SHAPE=steps
locust -f loadtest/locustfile.py --headless -H http://127.0.0.1:8000 -u 20 -r 20 --time 30s --shape smoke
"""

from locust import task

from loadtest import run
from loadtest.chat_user import ChatUser
from loadtest.run import Led

__all__ = ["Led", "Person"]


class Person(ChatUser):
    """Acts at every turn."""

    @task
    def turn(self) -> None:
        """Take the turn, or finish when the timed run is over."""
        due = self.await_turn()
        if due is None:
            self.finish()
        else:
            self.take_turn(due)


run.prepare()
