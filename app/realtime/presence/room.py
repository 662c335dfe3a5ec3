"""The online users of one room, and the users announced to its sockets.

Only a room with a joined socket that understands `presence` keeps this ("active"); all others cost two empty dicts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from realtime.events import Person

EVENT_EVERY_S = 1.0
NAMES_UP_TO = 200
LISTED = 100

# A person's state: False active, True away, None offline.
Away = bool | None
NameOf = Callable[[int], str]
# Sockets got different states: the next frame names the person in any state.
_UNSURE = "unsure"


class RoomPresence:
    """The people online in a room, and the changes that were not announced yet."""

    __slots__ = ("_list", "_sure", "active", "dirty", "flushed_at", "named", "online", "placed")

    def __init__(self) -> None:
        # Members with a socket anywhere → whether they are away. Empty while the room is not active.
        self.online: dict[int, bool] = {}
        # Changed since the last frame: user → the announced state and their name.
        self.dirty: dict[int, tuple[bool | str | None, str]] = {}
        # Those of `dirty` whose announced state is the same on every socket.
        self._sure: list[int] = []
        self.active = False
        # Whether the people of other processes were looked up for this room.
        self.placed = False
        # Whether the last frame could name people: a room above NAMES_UP_TO only counts them.
        self.named = True
        self.flushed_at = 0.0
        self._list: tuple[float, list[dict[str, Any]], list[int]] | None = None

    def activate(self, online: dict[int, bool]) -> None:
        """Start to keep the room's people; nothing was announced yet."""
        self.online, self.active, self.placed = online, True, False
        self.named = len(online) <= NAMES_UP_TO

    def deactivate(self) -> None:
        """Forget everybody: no socket is joined any more."""
        self.online, self.dirty, self._sure = {}, {}, []
        self.active, self._list = False, None

    def update(self, user: int, away: Away, name: str) -> bool:
        """Set a person's state.

        Returns whether it changed.
        """
        current = self.online.get(user)
        if current is away:
            return False
        if user not in self.dirty:
            self.dirty[user] = (current, name)
            self._sure.append(user)
        if away is None:
            del self.online[user]
        else:
            self.online[user] = away
        if len(self.online) <= NAMES_UP_TO:
            self._list = None
        return True

    def forget_list(self) -> None:
        """List people anew for the next join: one of them has another name."""
        self._list = None

    def snapshot(self, name_of: NameOf, now: float) -> tuple[int, list[dict[str, Any]], list[int]]:
        """Return presence for a joining socket: the number online, who, and who is away.

        It names at most LISTED of the people.
        """
        # The joining socket knows the present state, the others the announced one.
        for user in self._sure:
            if user in self.dirty:
                self.dirty[user] = (_UNSURE, self.dirty[user][1])
        self._sure.clear()
        # A room that is too large to name its people changes all the time; sorting 10,000 names for each join takes 5 ms.
        if self._list is None or now - self._list[0] > EVENT_EVERY_S:
            self._list = (now, *self._listed(name_of))
        _, people, away = self._list
        return len(self.online), people, away

    def _listed(self, name_of: NameOf) -> tuple[list[dict[str, Any]], list[int]]:
        people = sorted(((name_of(user), user) for user in self.online), key=lambda one: one[0].casefold())[:LISTED]
        return [{"id": user, "name": name} for name, user in people], [user for _, user in people if self.online[user]]

    def take_change(self, name_of: NameOf) -> dict[str, Any] | None:
        """Return the fields of the next `presence` frame.

        None when every socket knows them already.
        """
        dirty, self.dirty, self._sure = self.dirty, {}, []
        joined, left, away, back = [], [], [], []
        for user, (announced, name) in dirty.items():
            now = self.online.get(user)
            if now is announced:
                continue
            if now is None:
                left.append(Person(user, name))
                continue
            if announced is None or announced is _UNSURE:
                joined.append(Person(user, name_of(user)))
            if now:
                away.append(user)
            elif announced is True or announced is _UNSURE:
                back.append(user)
        named, self.named = self.named, len(self.online) <= NAMES_UP_TO
        if not self.named:
            return self._frame([], [], [], []) if joined or left else None
        if not named:  # who came and went meanwhile was only counted
            joined = [Person(user, name_of(user)) for user in self.online]
            away, back = [user for user in self.online if self.online[user]], []
        return self._frame(joined, left, away, back) if joined or left or away or back else None

    def _frame(self, joined: list[Person], left: list[Person], away: list[int], back: list[int]) -> dict[str, Any]:
        change: dict[str, Any] = {"online_count": len(self.online), "joined": _people(joined), "left": _people(left)}
        if away:
            change["away"] = sorted(away)
        if back:
            change["back"] = sorted(back)
        return change


def _people(people: Iterable[Person]) -> list[dict[str, Any]]:
    return [person.wire() for person in sorted(people)]
