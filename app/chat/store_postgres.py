"""A group commit on Postgres: two round trips whatever the batch's size, no thread.

1. BEGIN; lock the rooms in the order of their ids; who is a member; which keys are known
2. INSERT … SELECT FROM unnest; UPDATE rooms; COMMIT
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import psycopg

from chat.batch import Append, CannotStore, Identity, Plan, Result, Stored, plan
from chat.wire import EventRow
from config.databases import LOG_CONNECTIONS
from ops.pool import Connection, Pool
from ops.trip import BEGIN, COMMIT, Statement, trip, undo

ROW_AT_FAULT = (psycopg.DataError, psycopg.IntegrityError, ValueError, OverflowError)
"""What the driver cannot encode fails before the server sees it: ValueError, of which UnicodeError is one."""

LOCK_ROOMS = Statement("log_lock_rooms", "SELECT id, head FROM rooms_room WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE")
MEMBERS = Statement(
    "log_members",
    """
    SELECT room_id, user_id FROM rooms_membership
    JOIN unnest($1::bigint[], $2::bigint[]) AS wanted (room, person) ON room_id = room AND user_id = person
    """,
)
KNOWN = Statement(
    "log_known",
    """
    SELECT e.room_id, e.seq, e.kind, e.author_id, u.username, e.key, e.at, e.text, e.alias, e.edited, e.deleted, e.reactions
    FROM chat_event e
    JOIN unnest($1::bigint[], $2::bigint[], $3::text[]) AS wanted (room, person, name)
      ON e.room_id = room AND e.author_id = person AND e.key = name
    JOIN accounts_user u ON u.id = e.author_id
    """,
)
INSERT = Statement(
    "log_insert",
    """
    INSERT INTO chat_event (room_id, seq, kind, author_id, key, at, text, alias, edited, deleted, reactions)
    SELECT room, seq, 'message', person, name, $1::timestamptz, text, alias, false, false, '{}'
    FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[])
      AS new (room, seq, person, name, text, alias)
    """,
)
MOVE_HEADS = Statement(
    "log_move_heads",
    """
    UPDATE rooms_room SET head = moved.head, last_at = statement_timestamp()
    FROM unnest($1::bigint[], $2::bigint[]) AS moved (room, head) WHERE id = room
    """,
)


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
    try:
        todo = await _plan(connection, batch, now)
        await _write(connection, todo, now)
    finally:
        await undo(connection)
    return todo.results


async def _plan(connection: Connection, batch: Sequence[Append], now: datetime) -> Plan:
    rooms = [append.room.id for append in batch]
    authors = [append.author for append in batch]
    keys = [append.key for append in batch]
    of_rooms, of_authors = _numbers(rooms), _numbers(authors)
    _, locked, members, known = await trip(
        connection,
        (BEGIN, ()),
        (LOCK_ROOMS, [_numbers(sorted(set(rooms)))]),
        (MEMBERS, [of_rooms, of_authors]),
        (KNOWN, [of_rooms, of_authors, _texts(keys)]),
    )
    found: dict[Identity, EventRow] = {}
    for room, *columns in known:
        row = EventRow(*columns)
        found[room, row.author, row.key] = row
    heads: dict[int, int] = dict(locked)
    return plan(batch, heads=heads, members=set(members), known=found, now=now)


async def _write(connection: Connection, todo: Plan, now: datetime) -> None:
    if not todo.new:
        await trip(connection, (COMMIT, ()))
        return
    rows = [row for _, row in todo.new]
    numbers = ([room for room, _ in todo.new], [row.seq for row in rows], [row.author for row in rows])
    texts = ([row.key for row in rows], [row.text for row in rows], [row.alias for row in rows])
    await trip(
        connection,
        (INSERT, [now.isoformat(), *map(_numbers, numbers), *map(_texts, texts)]),
        (MOVE_HEADS, [_numbers(todo.heads), _numbers(todo.heads.values())]),
        (COMMIT, ()),
    )


# Arrays as Postgres reads them (its manual, 8.15.2). The driver's dumpers look at each value several times: that was a tenth
# of what a message costs.


def _numbers(values: Iterable[int]) -> str:
    return "{" + ",".join(map(str, values)) + "}"


def _texts(values: Iterable[str | None]) -> str:
    return "{" + ",".join(map(_quoted, values)) + "}"


def _quoted(value: str | None) -> str:
    return "NULL" if value is None else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
