"""A client's memory of its rooms: the ledger, and each event with its time."""

from dataclasses import dataclass, field
from typing import Any

from tests.chaos.records import Receipt, shortened
from tests.support.ledger import RoomLedger

Frame = dict[str, Any]


@dataclass(slots=True)
class RoomMemory(RoomLedger):
    """One room of a client."""

    receipts: list[Receipt] = field(default_factory=list)
    # The last announced number of people online.
    online: int = 0

    def page(self, frame: Frame, now: float) -> list[str]:
        """Record a `room.joined`; return its faults."""
        self.online = frame["online_count"]
        for event in frame["events"]:
            self._keep(event, now)
        return self.joined(frame, self.highest)

    def push(self, event: Frame, now: float) -> list[str]:
        """Record an event outside a page; return its faults."""
        self._keep(event, now)
        return self.pushed(event)

    def _keep(self, event: Frame, now: float) -> None:
        self.receipts.append(Receipt(event["seq"], event["from"]["id"], shortened(event["text"]), now))
