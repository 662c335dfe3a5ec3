"""Polls: people vote in the room's latest one and change their minds."""

import random

from loadtest.activities.base import Activity, Frame

_OPTIONS = ("red", "green", "blue", "none of them")


class Polls(Activity):
    name = "polls"
    counted = "votes"
    events = frozenset({"poll", "poll.voted", "poll.closed"})
    # seq of the latest poll.
    poll: int | None = None

    def act(self, key: str, due: float) -> Frame:
        """Vote in the latest poll by chance; make one where there is none."""
        durable: Frame = {"room": self.room, "key": key}
        if self.poll is None:
            new = {"question": "Which one?", "options": list(_OPTIONS), "multiple": False, "secret": False}
            return {"type": "poll.create", **durable, **new}
        return {"type": "poll.vote", **durable, "target": self.poll, "choices": [random.randrange(len(_OPTIONS))]}

    def on_event(self, event: Frame) -> str:
        """Each person has one vote."""
        self.poll = max(self.poll or 0, event["target"] if "target" in event else event["seq"])
        poll = event.get("state", event)
        right = sum(poll["tally"]) == poll["voters"]
        return "" if right else f"{poll['tally']} are not the votes of {poll['voters']} people"
