"""A group commit on Postgres: one statement and one round trip whatever its size (a second for keys known already), no thread.

The function `chat_append` locks the rooms, numbers the messages, inserts them and moves the heads. Nobody waits for a lock
while an event loop is busy elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import psycopg

from chat.batch import Append, CannotStore, Identity, Result, Stored, firsts, results
from chat.encoding import EventRow
from db.connections import LOG_CONNECTIONS
from db.pool import Connection, Pool

ROW_AT_FAULT = (psycopg.DataError, psycopg.IntegrityError, ValueError, OverflowError)
"""What the driver cannot encode fails before the server sees it: ValueError, of which UnicodeError is one."""

APPEND = "SELECT chat_append(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s)"
"""migrations/0003_append.py. For each message the seq it got; 0 where the author may not write; -seq where the key is known."""
KNOWN = """
    SELECT e.room_id, e.seq, e.kind, e.author_id, u.username, e.key, e.at, e.text, e.alias, e.edited, e.deleted, e.reactions
    FROM chat_event e
    JOIN unnest(%s::bigint[], %s::bigint[]) AS wanted (room, place) ON e.room_id = room AND e.seq = place
    JOIN accounts_user u ON u.id = e.author_id
"""


class PostgresStore:
    def __init__(self) -> None:
        self.pool = Pool("log", LOG_CONNECTIONS)

    async def store(self, batch: Sequence[Append]) -> list[Result]:
        """Raises DatabaseUnavailable when the outcome is unknown, CannotStore when a row is at fault and nothing is stored."""
        tries: list[datetime] = []

        async def commit(connection: Connection) -> list[Result]:  # the keys make another try safe
            tries.append(datetime.now(UTC))
            return await _commit(connection, batch, tries[-1])

        try:
            results = await self.pool.run(commit)
        except ROW_AT_FAULT as error:
            raise CannotStore(passing=isinstance(error, psycopg.errors.UniqueViolation)) from error
        return _as_first_sent(results, set(tries[:-1])) if len(tries) > 1 else results

    async def close(self) -> None:
        await self.pool.close()


def _as_first_sent(results: list[Result], tried: set[datetime]) -> list[Result]:
    """What an earlier try of the same call committed, though its answer was lost, is no duplicate to its sender and is
    still to be published. Its time tells it from what others stored under the key."""
    seen: set[tuple[int, int]] = set()
    for result in results:
        if isinstance(result, Stored) and result.duplicate and result.at in tried:
            place = (result.room.id, result.seq)
            result.duplicate = place in seen
            seen.add(place)
    return results


async def _commit(connection: Connection, batch: Sequence[Append], now: datetime) -> list[Result]:
    of_key = firsts(batch)
    asked = of_key.values()
    rooms = [append.room.id for append in asked]
    answer = await connection.execute(
        APPEND,
        [
            _numbers(rooms),
            _numbers(append.author for append in asked),
            _texts(append.key for append in asked),
            _texts(append.text for append in asked),
            _texts(append.alias for append in asked),
            now,
        ],
    )
    ((seqs,),) = await answer.fetchall()
    known = [(room, -seq) for room, seq in zip(rooms, seqs, strict=True) if seq < 0]
    found = await _known(connection, known) if known else {}
    return results(batch, dict(zip(of_key, seqs, strict=True)), found, now)


async def _known(connection: Connection, places: Sequence[tuple[int, int]]) -> dict[Identity, EventRow]:
    rows = await connection.execute(KNOWN, [_numbers(column) for column in zip(*places, strict=True)])
    found: dict[Identity, EventRow] = {}
    for room, *columns in await rows.fetchall():
        row = EventRow(*columns)
        found[room, row.author, row.key] = row
    return found


# Arrays as Postgres reads them (its manual, 8.15.2). The driver's dumpers look at each value several times: that was a tenth
# of what a message costs.


def _numbers(values: Iterable[int]) -> str:
    return "{" + ",".join(map(str, values)) + "}"


def _texts(values: Iterable[str | None]) -> str:
    return "{" + ",".join(map(_quoted, values)) + "}"


def _quoted(value: str | None) -> str:
    return "NULL" if value is None else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
