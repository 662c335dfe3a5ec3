"""Sensors: each user is a device with one sensor, and looks at others' sensors.

Values count the readings.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from loadtest.activities.base import Activity, Found, Frame, Server
from loadtest.activities.values import Shown, Values
from loadtest.ledger import Faults

_READINGS = 5  # of each push
_MOST = 2_000  # points of a series that are readings, not means


class Sensors(Activity):
    name = "sensors"
    counted = "pushes of readings"
    pushes = frozenset({"live"})

    def __init__(self, *known: Any) -> None:
        super().__init__(*known)
        self._shown = Shown(self.shared, self.room)
        self._number = 0
        self._at = datetime.now(UTC)
        self._begun = self._at
        self._acknowledged: set[int] = set()

    @classmethod
    def ledger(cls) -> Values:
        return Values()

    def act(self, key: str, due: float) -> Frame:
        """Push some readings a millisecond apart; sent again they are the same."""
        readings = []
        self._at = max(datetime.now(UTC), self._at)
        for _ in range(_READINGS):
            self._number += 1
            self._at += timedelta(milliseconds=1)
            self.shared.of(self.room, self.who).due[self._number] = due
            readings.append({"sensor_id": self.who, "value": float(self._number), "at": self._at.isoformat()})
        return {"type": "sensor.push", "room": self.room, "readings": readings}

    def answered(self, frame: Frame, reply: Frame) -> Faults:
        numbers = [int(one["value"]) for one in frame["readings"]]
        self._acknowledged.update(numbers)
        sent = self.shared.of(self.room, self.who)
        sent.acknowledged = max(sent.acknowledged, *numbers)
        if reply["accepted"] != len(numbers):
            return (self.fault("lost", numbers[0], f"{reply['accepted']} of {len(numbers)} readings were accepted"),)
        return ()

    def on_push(self, frame: Frame) -> Found:
        found = Found()
        for one in frame["values"] if frame["topic"] == "sensor" and frame["room"] == self.room else ():
            if one["value"] is None:
                continue
            number = int(one["value"]["value"])
            kind, detail, due = self._shown.see(one["key"], number)
            if kind:
                found.faults += (self.fault(kind, number, detail),)
            elif due is not None and one["key"] != self.who:
                found.shown.append(due)
        return found

    def behind(self) -> Faults:
        return tuple(self.fault("lost", number, detail) for _, number, detail in self._shown.missing())

    def finish(self, server: Server) -> Faults:
        """Hold the history against the acknowledged readings, each once and in order.

        Above _MOST there are only means.
        """
        if not self._acknowledged or self._number > _MOST:
            return ()
        first, last = (at.strftime("%Y-%m-%dT%H:%M:%SZ") for at in (self._begun, self._at + timedelta(seconds=2)))
        path = f"/api/rooms/{quote(self.room)}/sensors/{quote(self.who)}/series?from={first}&to={last}&points={_MOST}"
        kept = [int(one["value"]) for one in server.get(path)["points"]]
        faults: Faults = tuple(
            self.fault("lost", number, f"reading {number} was acknowledged, and is not in the history")
            for number in sorted(self._acknowledged - set(kept))
        )
        if kept != sorted(set(kept)):
            faults += (self.fault("duplicate", len(kept), "the history has readings twice, or not in the order of their times"),)
        if unknown := set(kept) - set(range(1, self._number + 1)):
            faults += (self.fault("altered", min(unknown), "the history has readings that were never pushed"),)
        return faults
