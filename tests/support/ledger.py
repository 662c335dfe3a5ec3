"""The ledger of the test clients: each event of a room once and in order.

It also holds that each acknowledged message is in the log.

Pure: no clock, no network. Every check returns its faults as sentences; a client raises them or records them. The clients of the
protocol tests, the property tests and the chaos runs all use it. Load runs have loadtest/ledger.py: their processes share no log,
and a missing event may still arrive.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

Frame = dict[str, Any]


@dataclass(slots=True)
class RoomLedger:
    """What one client was sent of one room."""

    # The client has the log up to this seq; the next join resumes after it.
    highest: int = 0
    # Whether the socket receives the room's events.
    live: bool = False

    def joined(self, page: Frame, after: int | None) -> list[str]:
        """Check the page of a `room.joined`.

        It continues the log after `after`. A fresh page has messages only.
        """
        room, head = page["room"], page["head"]
        seqs = [event["seq"] for event in page["events"]]
        if after is None:
            self.highest, self.live = head, True
            return _fresh(room, head, seqs)
        self.highest, self.live = after, not page["more"]
        faults = [fault for seq in seqs for fault in self._next(room, seq, "page")]
        if page["more"] and not seqs:
            faults.append(f"empty page of {room} after {after}, with more to come")
        if not page["more"] and self.highest != head:
            faults.append(f"last page of {room} ends at {self.highest}, its head is {head}")
        return faults

    def pushed(self, event: Frame) -> list[str]:
        """Check an event outside a page: the next one of a live room."""
        room, seq = event["room"], event["seq"]
        faults = [] if self.live else [f"{seq} of {room} was pushed, which is not live on this socket"]
        return faults + self._next(room, seq, "push")

    def silent(self) -> None:
        """Expect no more events until the next join."""
        self.live = False

    def _next(self, room: str, seq: int, way: str) -> list[str]:
        before, self.highest = self.highest, max(self.highest, seq)
        if seq == before + 1:
            return []
        what = "doubled or out of order" if seq <= before else "gap"
        return [f"{what}: {seq} of {room} after {before} ({way})"]


def _fresh(room: str, head: int, seqs: list[int]) -> list[str]:
    faults = []
    if any(later <= earlier for earlier, later in pairwise(seqs)):
        faults.append(f"fresh page of {room} does not ascend: {seqs}")
    if seqs and max(seqs) > head:
        faults.append(f"fresh page of {room} ends above head {head}: {seqs}")
    return faults


class Entry(NamedTuple):
    """A stored or acknowledged message."""

    room: str
    author: int
    key: str
    seq: int


def log_faults(room: str, log: Sequence[Entry]) -> Iterator[str]:
    """Check that a room's log is numbered 1, 2, 3, …, and has each author's key once."""
    seqs = [entry.seq for entry in log]
    if seqs != list(range(1, len(seqs) + 1)):
        breaks = [later for earlier, later in pairwise([0, *seqs]) if later != earlier + 1]
        yield f"log: {room} is not 1, 2, 3, …: wrong at {some(breaks)}"
    for (author, key), times in Counter((entry.author, entry.key) for entry in log).items():
        if times > 1:
            yield f"log: {room} holds key {key} of {author} {times} times"


def acknowledgement_faults(acknowledged: Iterable[Entry], log: Iterable[Entry]) -> Iterator[str]:
    """Check that the log has each acknowledged message at its seq."""
    stored = {(entry.room, entry.author, entry.key): entry.seq for entry in log}
    for room, author, key, seq in acknowledged:
        found = stored.get((room, author, key))
        if found is None:
            yield f"acknowledged and lost: {key} of {author} as {seq} of {room} is not in the log"
        elif found != seq:
            yield f"acknowledged wrongly: {key} of {author} in {room} as {seq}, the log has it at {found}"


def view_faults(who: str, room: str, received: Sequence[tuple[int, object]], log: Mapping[int, object]) -> Iterator[str]:
    """Compare the (seq, content) that a client received with the log.

    Their order counts. The log maps seq to content.
    """
    seen = [seq for seq, _ in received]
    if missing := sorted(log.keys() - set(seen)):
        yield f"lost: {who} never got {some(missing)} of {room}"
    if extra := sorted(set(seen) - log.keys()):
        yield f"invented: {who} got {some(extra)} of {room}, which the log does not have"
    if doubles := sorted(seq for seq, times in Counter(seen).items() if times > 1):
        yield f"doubled: {who} got {some(doubles)} of {room} more than once"
    if swaps := [later for earlier, later in pairwise(seen) if later < earlier]:
        yield f"out of order: {who} got {some(swaps)} of {room} after a later one"
    if changed := [seq for seq, content in received if seq in log and log[seq] != content]:
        yield f"changed: {who} got other content at {some(changed)} of {room}"


def some(numbers: Sequence[int]) -> str:
    """List the first five numbers, and how many there are."""
    shown = ", ".join(map(str, numbers[:5]))
    return shown if len(numbers) <= 5 else f"{shown}, … ({len(numbers)})"
