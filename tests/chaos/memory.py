"""A client's memory of its rooms, with checks of each frame against the promises."""

from dataclasses import dataclass, field
from typing import Any

from tests.chaos.records import Receipt, shortened

Frame = dict[str, Any]


@dataclass(slots=True)
class RoomMemory:
    """One room of a client.

    `last`: the seq after which the next join resumes; `live`: this socket receives its events.
    """

    receipts: list[Receipt] = field(default_factory=list)
    last: int = 0
    live: bool = False
    # The last announced number of people online.
    online: int = 0

    def page(self, frame: Frame, now: float) -> list[str]:
        """Record a `room.joined`; return its fault, if any."""
        wrong = [problem for event in frame["events"] for problem in self._take(event, now, "page")]
        self.live, self.online = not frame["more"], frame["online_count"]
        if self.live and self.last != frame["head"]:
            wrong.append(f"last page of {frame['room']} ends at {self.last}, its head is {frame['head']}")
        return wrong

    def pushed(self, event: Frame, now: float) -> list[str]:
        """Record an event outside a page; return its fault, if any."""
        wrong = [] if self.live else [f"{event['seq']} of {event['room']} was pushed where nothing may be"]
        return wrong + self._take(event, now, "push")

    def _take(self, event: Frame, now: float, way: str) -> list[str]:
        self.receipts.append(Receipt(event["seq"], event["from"]["id"], shortened(event["text"]), now))
        before, self.last = self.last, max(self.last, event["seq"])
        if event["seq"] == before + 1:
            return []
        what = "doubled or out of order" if event["seq"] <= before else "hole"
        return [f"{what}: {event['seq']} of {event['room']} after {before} ({way})"]
