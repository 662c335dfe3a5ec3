"""A group commit on Postgres: psycopg's pipeline, two round trips whatever the batch's size, no thread.

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

ROW_AT_FAULT = (psycopg.DataError, psycopg.IntegrityError, ValueError, OverflowError)
"""What the driver cannot encode fails before the server sees it: ValueError, of which UnicodeError is one."""

LOCK_ROOMS = "SELECT id, head FROM rooms_room WHERE id = ANY(%s::bigint[]) ORDER BY id FOR UPDATE"
MEMBERS = """
    SELECT room_id, user_id FROM rooms_membership
    JOIN unnest(%s::bigint[], %s::bigint[]) AS wanted (room, person) ON room_id = room AND user_id = person
"""
KNOWN = """
    SELECT e.room_id, e.seq, e.kind, e.author_id, u.username, e.key, e.at, e.text, e.alias, e.edited, e.deleted, e.reactions
    FROM chat_event e
    JOIN unnest(%s::bigint[], %s::bigint[], %s::text[]) AS wanted (room, person, name)
      ON e.room_id = room AND e.author_id = person AND e.key = name
    JOIN accounts_user u ON u.id = e.author_id
"""
INSERT = """
    INSERT INTO chat_event (room_id, seq, kind, author_id, key, at, text, alias, edited, deleted, reactions)
    SELECT room, seq, 'message', person, name, %s, text, alias, false, false, '{}'
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[])
      AS new (room, seq, person, name, text, alias)
"""
MOVE_HEADS = """
    UPDATE rooms_room SET head = moved.head, last_at = statement_timestamp()
    FROM unnest(%s::bigint[], %s::bigint[]) AS moved (room, head) WHERE id = room
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
    async with connection.pipeline(), connection.transaction():
        todo = await _plan(connection, batch, now)
        if todo.new:
            await _write(connection, todo, now)
    return todo.results


async def _plan(connection: Connection, batch: Sequence[Append], now: datetime) -> Plan:
    rooms = [append.room.id for append in batch]
    authors = [append.author for append in batch]
    keys = [append.key for append in batch]
    of_rooms, of_authors = _numbers(rooms), _numbers(authors)
    locked = await connection.execute(LOCK_ROOMS, [_numbers(sorted(set(rooms)))])
    members = await connection.execute(MEMBERS, [of_rooms, of_authors])
    known = await connection.execute(KNOWN, [of_rooms, of_authors, _texts(keys)])
    found: dict[Identity, EventRow] = {}
    heads: dict[int, int] = dict(await locked.fetchall())
    among = set(await members.fetchall())
    for room, *columns in await known.fetchall():
        row = EventRow(*columns)
        found[room, row.author, row.key] = row
    return plan(batch, heads=heads, members=among, known=found, now=now)


async def _write(connection: Connection, todo: Plan, now: datetime) -> None:
    rows = [row for _, row in todo.new]
    numbers = ([room for room, _ in todo.new], [row.seq for row in rows], [row.author for row in rows])
    texts = ([row.key for row in rows], [row.text for row in rows], [row.alias for row in rows])
    await connection.execute(INSERT, [now, *map(_numbers, numbers), *map(_texts, texts)])
    await connection.execute(MOVE_HEADS, [_numbers(todo.heads), _numbers(todo.heads.values())])


# Arrays as Postgres reads them (its manual, 8.15.2). The driver's dumpers look at each value several times: that was a tenth
# of what a message costs.


def _numbers(values: Iterable[int]) -> str:
    return "{" + ",".join(map(str, values)) + "}"


def _texts(values: Iterable[str | None]) -> str:
    return "{" + ",".join(map(_quoted, values)) + "}"


def _quoted(value: str | None) -> str:
    return "NULL" if value is None else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
