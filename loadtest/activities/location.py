"""Live location: people share where they are, move, and stop.

Latitude says whose place it is, longitude counts its moves.
"""

import random
from typing import Any

from loadtest.activities.base import Activity, Found, Frame
from loadtest.activities.values import ENDED, Shown, Values
from loadtest.ledger import Faults

_STOPS = 0.05  # share of turns in which a share ends
_STEP = 1e-4  # degrees of a move


def latitude_of(person: int) -> float:
    return person % 1_700 / 10 - 85


class Location(Activity):
    name = "location"
    counted = "places"
    events = frozenset({"location", "location.ended"})
    pushes = frozenset({"live"})

    def __init__(self, *known: Any) -> None:
        super().__init__(*known)
        self._shown = Shown(self.shared, self.room)
        # seq of my running share.
        self._share: int | None = None
        self._number = 0

    @classmethod
    def ledger(cls) -> Values:
        return Values()

    def act(self, key: str, due: float) -> Frame:
        """Begin a share, move, or stop."""
        if self._share is None:
            return {"type": "location.share", "room": self.room, "key": key, "seconds": 0}
        if self._number and random.random() < _STOPS:
            return {"type": "location.stop", "room": self.room, "key": key, "target": self._share}
        self._number += 1
        self.shared.of(self.room, str(self._share)).due[self._number] = due
        place = {"latitude": latitude_of(self.id), "longitude": round(self._number * _STEP, 4)}
        return {"type": "location.update", "room": self.room, **place}

    def answered(self, frame: Frame, reply: Frame) -> Faults:
        if frame["type"] == "location.share":
            self._share, self._number = reply["seq"], 0
        elif frame["type"] == "location.stop":
            self.shared.of(self.room, str(frame["target"])).acknowledged = ENDED
            self._share = None
        elif self._share is not None:
            sent = self.shared.of(self.room, str(self._share))
            sent.acknowledged = max(sent.acknowledged, round(frame["longitude"] / _STEP))
        return ()

    def expects(self, frame: Frame, code: str) -> bool:
        """A stop that was sent again may have ended the share before."""
        return code == "closed" and frame["type"] == "location.stop"

    def on_event(self, event: Frame) -> str:
        if event["type"] == "location.ended":
            self._shown.end(str(event["target"]))
            if not event["state"]["ended"]:
                return f"share {event['target']} has ended, and its state says that it has not"
        return ""

    def on_push(self, frame: Frame) -> Found:
        found = Found()
        for one in frame["values"] if frame["topic"] == "location" and frame["room"] == self.room else ():
            if one["value"] is None:
                self._shown.end(one["key"])
                continue
            number = round(one["value"]["longitude"] / _STEP)
            kind, detail, due = self._shown.see(one["key"], number)
            if kind:
                found.faults += (self.fault(kind, number, detail),)
            elif one["value"]["latitude"] != latitude_of(one["from"]["id"]):
                found.faults += (self.fault("altered", number, f"{one} is not where this person is"),)
            elif due is not None and one["from"]["id"] != self.id:
                found.shown.append(due)
        return found

    def behind(self) -> Faults:
        return tuple(self.fault("lost", number, detail) for _, number, detail in self._shown.missing())
