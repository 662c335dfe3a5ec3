"""Checks a run against the promises of docs/protocol.md: records in, problems out."""

from collections.abc import Iterable, Iterator, Sequence
from math import inf

from tests.chaos.records import BACK_S, Ack, Receipt, Row, Run, Sight, Span
from tests.support.ledger import Entry, acknowledgement_faults, log_faults, view_faults

# Longest wait for a committed event after the fault is over and the client has its `hello`.
WAIT_S = 5.0
# A socket that ends later than this after a fault has another cause.
AFTERMATH_S = 5.0
# Clients detect a dead connection after 2.5 heartbeats of 20 s, and check once a second.
NOTICE_S = 55.0
# Allowed growth of a worker: allocators keep the memory of one burst.
MEMORY_FACTOR, MEMORY_MIB = 1.3, 32.0


def check(run: Run) -> list[str]:
    """Return every broken promise as a sentence; empty when all were kept."""
    return [
        *run.idle,
        *_log(run),
        *_acks(run),
        *(problem for sight in run.sights for problem in (*sight.broken, *_views(sight, run), *_sockets(sight, run))),
        *_waits(run),
        *(f"miscounted: {what}" for what in run.miscounted),
        *_memory(run),
    ]


def waits(sight: Sight, run: Run) -> Iterator[tuple[Row, Receipt, float]]:
    """Return each event of a client's rooms with its longest unexcused wait.

    Times are in seconds.
    """
    excuses = [window.span for window in run.windows if window.excuses]
    reasons = sorted([*excuses, *sight.blind, *sight.deaf, *_excused(sight, run)], key=lambda span: span.begin)
    for room, receipts in sight.views.items():
        rows = {row.seq: row for row in run.log.get(room, [])}
        for receipt in receipts:
            row = rows.get(receipt.seq)
            if row is not None:
                yield row, receipt, _longest(row.at, receipt.at, reasons)


def offline(sight: Sight) -> list[Span]:
    """Return the times without a greeted socket, including before the first `hello`."""
    gaps, since = [], sight.started_at
    for life in sight.lives:
        gaps.append(Span(since, life.hello_at))
        since = life.ended_at if life.ended_at is not None else inf
    return gaps if since == inf else [*gaps, Span(since, inf)]


def _excused(sight: Sight, run: Run) -> list[Span]:
    """Return the times offline that a fault, or the client's start, explains."""
    return [gap for gap in offline(sight) if gap.begin == sight.started_at or _by_a_fault(gap.begin, run)]


def _by_a_fault(moment: float, run: Run) -> bool:
    ending = (window.span for window in run.windows if window.ends_sockets)
    return any(span.begin <= moment <= span.end + AFTERMATH_S for span in ending)


def _longest(committed: float, received: float, reasons: Sequence[Span]) -> float:
    """Return the longest time between two moments outside the sorted excuses."""
    longest, since = 0.0, committed
    for span in reasons:
        if span.meets(since, received):
            longest, since = max(longest, span.begin - since), span.end
    return max(longest, received - since)


def _log(run: Run) -> Iterator[str]:
    for room, rows in run.log.items():
        yield from log_faults(room, _entries(rows))


def _acks(run: Run) -> Iterator[str]:
    yield from acknowledgement_faults(_entries(run.acks), _entries(row for rows in run.log.values() for row in rows))
    for key in run.unsent:
        yield f"never acknowledged: {key}"


def _entries(rows: Iterable[Row | Ack]) -> list[Entry]:
    return [Entry(row.room, row.author, row.key, row.seq) for row in rows]


def _views(sight: Sight, run: Run) -> Iterator[str]:
    for room, receipts in sight.views.items():
        received = [(receipt.seq, (receipt.author, receipt.text)) for receipt in receipts]
        log = {row.seq: (row.author, row.text) for row in run.log.get(room, [])}
        yield from view_faults(sight.name, room, received, log)


def _sockets(sight: Sight, run: Run) -> Iterator[str]:
    """Check that a client loses its socket only for a reason, and reconnects soon."""
    for life in sight.lives:
        if life.ended_at is not None and not _by_a_fault(life.ended_at, run):
            yield f"closed: {sight.name} lost its socket ({life.code}) though nothing was wrong"
    for span in sight.deaf:
        if span.end - span.begin > NOTICE_S:
            yield f"deaf: {sight.name} kept a dead connection for {span.end - span.begin:.1f} s"
    for gap in offline(sight):
        meeting = [window for window in run.windows if window.span.meets(gap.begin, gap.end)]
        late = gap.end - max([gap.begin, *(window.span.end for window in meeting)])
        if late > min((window.back_s for window in meeting), default=BACK_S):
            yield f"kept out: {sight.name} had no hello for {late:.1f} s"


def _waits(run: Run) -> Iterator[str]:
    for sight in run.sights:
        late = [(wait, row) for row, _, wait in waits(sight, run) if wait > WAIT_S]
        if late:
            wait, row = max(late, key=lambda pair: pair[0])
            yield f"late: {sight.name} waited up to {wait:.1f} s ({len(late)} events, worst {row.seq} of {row.room})"


def _memory(run: Run) -> Iterator[str]:
    yield from grown(run.memory_before, run.memory_after)


def grown(before: float, after: float) -> list[str]:
    """Check the MiB of the largest worker over one run, or over several in a row."""
    if after <= before * MEMORY_FACTOR + MEMORY_MIB:
        return []
    return [f"memory: a worker ends with {after:.0f} MiB, it began with {before:.0f}"]
