"""The result for each sender of a group commit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from chat.batch import Identity, PendingEvent, Result, Seqs, Stored, refusal_of, row_of
from chat.encoding import EventRow, log_event
from chat.numbering import Plan


def results(
    batch: Sequence[PendingEvent],
    seqs: Seqs,
    known: dict[Identity, EventRow],
    now: datetime,
    plan: Plan | None = None,
) -> list[Result]:
    """Return the result for each sender, in the order of the batch.

    `known` are the events of the keys that were; `plan` holds the targets as each new event left them, and what is due.
    """
    ordered: list[Result] = []
    new: dict[Identity, EventRow] = {}
    for append in batch:
        identity = append.identity
        seq = seqs[identity]
        if isinstance(seq, Exception):
            ordered.append(seq)
            continue
        if not seq:
            ordered.append(refusal_of(append.room))
            continue
        row = known[identity] if seq < 0 else new.get(identity)
        duplicate = row is not None
        if row is None:
            row = new[identity] = row_of(append, seq, now, plan.amended.get(identity) if plan else None)
        due = plan.due.get((append.room.id, append.target or row.seq)) if plan else None
        ordered.append(Stored(append.room, row.seq, row.at, duplicate, log_event(row, append.room.slug), due))
    return ordered
