"""The polls of a run: frames that make them and vote in them, and what must hold of their numbers. Pure."""

import random
from typing import Any

Frame = dict[str, Any]

_OPTIONS = ("red", "green", "blue", "none of them")


def frame(room: str, key: str, poll: int | None) -> Frame:
    """Vote in the poll at this seq by chance; make one where there is none."""
    durable: Frame = {"room": room, "key": key}
    if poll is None:
        new = {"question": "Which one?", "options": list(_OPTIONS), "multiple": False, "secret": False}
        return {"type": "poll.create", **durable, **new}
    return {"type": "poll.vote", **durable, "target": poll, "choices": [random.randrange(len(_OPTIONS))]}


def seq_of(event: Frame) -> int:
    """Return the seq of the poll that an event is or amends."""
    seq: int = event["target"] if "target" in event else event["seq"]
    return seq


def fault(event: Frame) -> str:
    """Return what is wrong with an event's numbers; empty where nothing is. Each person has one vote."""
    poll = event.get("state", event)
    right = sum(poll["tally"]) == poll["voters"]
    return "" if right else f"{poll['tally']} are not the votes of {poll['voters']} people"
