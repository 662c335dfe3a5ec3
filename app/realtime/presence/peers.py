"""The people that other processes announced, and which processes are alive.

Each process numbers its announcements. A number that is missing means a lost message: the process is then asked for the
whole list of its people. A process that stays silent for DEAD_S is gone, and its people with it.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import NamedTuple

# Between two heartbeats of a process.
BEAT_S = 0.25
# Silence after which a process is gone: five heartbeats. People who lost it are shown offline within 2 s.
DEAD_S = 1.3
# Without an own heartbeat heard back for that long, silence of others says nothing about them.
DEAF_S = 0.8
ASK_EVERY_S = 1.0


class Peer:
    """One other process."""

    __slots__ = ("asked_at", "away", "fresh", "heard_at", "in_sync", "leaves_at", "named", "number", "people")

    def __init__(self, now: float) -> None:
        # Users with a socket there → their names.
        self.people: dict[int, str] = {}
        # Those of them who are away on all their sockets there.
        self.away: set[int] = set()
        self.heard_at = now
        # Of the last announcement that arrived.
        self.number = -1
        self.in_sync = False
        # Number in the last heartbeat: it may have overtaken that announcement.
        self.named = -1
        # Users in the pieces of a whole list that have arrived so far.
        self.fresh: set[int] | None = None
        self.asked_at = 0.0
        # When its people are gone, once it said goodbye.
        self.leaves_at: float | None = None

    def state(self, user: int) -> bool | None:
        """None: no socket there.

        Else whether the user is away.
        """
        return user in self.away if user in self.people else None


class Gone(NamedTuple):
    """People who lost their last socket on a process: user → name."""

    process: str
    people: dict[int, str]


class Peers:
    """All other processes.

    No IO: the caller hands over messages and the time.
    """

    def __init__(self) -> None:
        self.by_process: dict[str, Peer] = {}
        self._judged_at = 0.0
        # Silence counts from here: before it this process could not hear, or did not run.
        self._judge_from = 0.0

    def __iter__(self) -> Iterator[int]:
        """Every user with a socket on another process, once."""
        peers = list(self.by_process.values())
        return iter(peers[0].people if len(peers) == 1 else set().union(*(peer.people for peer in peers)))

    def states(self, user: int) -> list[bool]:
        """Whether the user is away, for each other process with a socket of theirs."""
        return [user in peer.away for peer in self.by_process.values() if user in peer.people]

    def name(self, user: int) -> str | None:
        for peer in self.by_process.values():
            if user in peer.people:
                return peer.people[user]
        return None

    # --- what arrives

    def beat(self, process: str, number: int, now: float) -> bool:
        """Note a heartbeat.

        Returns whether to ask the process for all its people.
        """
        peer = self._note_heard(process, now)
        if peer.named > peer.number:
            peer.in_sync, peer.fresh = False, None
        peer.named = number
        return self._should_ask(peer, now)

    def announced(self, process: str, number: int, now: float) -> tuple[Peer, bool]:
        """Note an announcement.

        Returns the process and whether to ask it for all its people.
        """
        peer = self._note_heard(process, now)
        if number != peer.number + 1:
            peer.in_sync, peer.fresh = False, None
        peer.number = max(peer.number, number)
        return peer, self._should_ask(peer, now)

    def begin_list(self, peer: Peer) -> None:
        """The first piece of a whole list begins."""
        peer.fresh = set()

    def end_list(self, process: str, peer: Peer) -> Gone | None:
        """The last piece has arrived.

        Returns the people who are not listed any more; None when pieces were lost.
        """
        fresh, peer.fresh = peer.fresh, None
        if fresh is None:
            return None
        peer.in_sync = True
        gone = {user: name for user, name in peer.people.items() if user not in fresh}
        for user in gone:
            self.remove(peer, user)
        return Gone(process, gone)

    def add(self, peer: Peer, user: int, name: str, *, away: bool) -> None:
        """A user has a socket there."""
        peer.people[user] = name
        (peer.away.add if away else peer.away.discard)(user)
        if peer.fresh is not None:
            peer.fresh.add(user)

    def remove(self, peer: Peer, user: int) -> str | None:
        """A user's last socket there is gone.

        Returns their name, None when they were not known.
        """
        peer.away.discard(user)
        return peer.people.pop(user, None)

    def leaving(self, process: str, now: float, linger_s: float) -> None:
        """Note that a process says goodbye.

        Its people are gone in `linger_s`, unless they come back elsewhere.
        """
        peer = self.by_process.get(process)
        if peer is not None:
            peer.leaves_at = now + linger_s

    # --- who is silent

    def dead(self, now: float, echoed_at: float) -> list[Gone]:
        """Remove the processes that were silent for too long.

        Call it every BEAT_S.

        `echoed_at` is when this process last heard its own heartbeat. While it does not, or did not run itself, the
        silence of the others says nothing.
        """
        if now - self._judged_at > DEAF_S or now - echoed_at > DEAF_S:
            self._judge_from = now
        self._judged_at = now
        gone = [process for process, peer in self.by_process.items() if self._is_gone(peer, now)]
        return [Gone(process, self.by_process.pop(process).people) for process in gone]

    def _is_gone(self, peer: Peer, now: float) -> bool:
        if peer.leaves_at is not None:
            return now >= peer.leaves_at
        return now - max(peer.heard_at, self._judge_from) > DEAD_S

    def _note_heard(self, process: str, now: float) -> Peer:
        peer = self.by_process.get(process)
        if peer is None:
            peer = self.by_process[process] = Peer(now)
        peer.heard_at = now
        return peer

    @staticmethod
    def _should_ask(peer: Peer, now: float) -> bool:
        if peer.in_sync or peer.leaves_at is not None or peer.fresh is not None or now - peer.asked_at < ASK_EVERY_S:
            return False
        peer.asked_at = now + random.uniform(0, ASK_EVERY_S / 2)  # noqa: S311
        return True


def chunks(items: Iterable[int], size: int) -> Iterator[list[int]]:
    """Lists of at most `size`."""
    some: list[int] = []
    for item in items:
        some.append(item)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some
