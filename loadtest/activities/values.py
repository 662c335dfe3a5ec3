"""The ledger of live values: of each key the newest wins.

Values may be left out; none may come back. Pure.
"""

from dataclasses import dataclass, field

ENDED = -1


@dataclass
class Sent:
    """The values of one key in the order of their numbers, as its sender knows them."""

    # number → when it was due (this process's clock)
    due: dict[int, float] = field(default_factory=dict)
    # Highest number that the server acknowledged; ENDED once the end was.
    acknowledged: int = 0


class Values:
    """All keys of the users of one process, by (room, key)."""

    def __init__(self) -> None:
        self.sent: dict[tuple[str, str], Sent] = {}

    def of(self, room: str, key: str) -> Sent:
        return self.sent.setdefault((room, key), Sent())

    def in_room(self, room: str) -> dict[str, Sent]:
        return {key: sent for (where, key), sent in self.sent.items() if where == room}


class Shown:
    """What one user was shown of a room: the newest number of each key."""

    def __init__(self, values: Values, room: str) -> None:
        self._values, self._room = values, room
        self.newest: dict[str, int] = {}

    def see(self, key: str, number: int) -> tuple[str, str, float | None]:
        """Handle a value; return kind and detail of a fault, and its due time.

        The due time is None unless the value is new here and was sent here. The newest value again is no fault: who joins is
        shown what is kept.
        """
        before, sent = self.newest.get(key), self._values.sent.get((self._room, key))
        if before == number:
            return "", "", None
        if before == ENDED:
            return "out of order", f"value {number} of {key} after its end", None
        if before is not None and number < before:
            return "out of order", f"value {number} of {key} after {before}", None
        self.newest[key] = number
        if sent is None:  # of another process
            return "", "", None
        if number not in sent.due:
            return "altered", f"value {number} of {key} was never sent", None
        return "", "", sent.due[number]

    def end(self, key: str) -> None:
        self.newest[key] = ENDED

    def missing(self) -> list[tuple[str, int, str]]:
        """Return (key, number, detail) of each value that was acknowledged and not shown."""
        found = []
        for key, sent in self._values.in_room(self._room).items():
            newest = self.newest.get(key, 0)
            if sent.acknowledged == ENDED:
                if newest not in {0, ENDED}:
                    found.append((key, newest, f"value {newest} of {key} is shown after its end"))
            elif newest != ENDED and newest < sent.acknowledged:
                found.append((key, sent.acknowledged, f"value {sent.acknowledged} of {key} was acknowledged; {newest} is shown"))
        return found
