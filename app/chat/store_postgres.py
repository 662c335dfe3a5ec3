"""A group commit on Postgres: one statement and one round trip for any size.

Known keys need a second round trip. No thread is needed.

The function `chat_append` locks the rooms, numbers the messages, inserts them and moves the heads. Nobody waits for a lock
while an event loop is busy elsewhere.

A batch with events of other kinds takes two round trips: the first locks the rooms and reads the targets, the second writes what
chat/numbering.py made of them. Should the event loop stall in between, Postgres ends the transaction after LOCKED_MS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg

from chat.batch import CannotStore, Identity, PendingEvent, Result, Stored, dedupe_by_key
from chat.encoding import EventRow, event_row
from chat.numbering import Found, Place, Plan, RoomState, plan
from chat.results import results
from core.limits import LIMITS, Limits
from db.connections import LOG_CONNECTIONS
from db.pool import Connection, Pool
from realtime.publish import encode

# What the driver cannot encode fails before the server sees it: ValueError, of which UnicodeError is one.
ROW_AT_FAULT = (psycopg.DataError, psycopg.IntegrityError, ValueError, OverflowError)

# migrations/0003_append.py to 0010. For each message its seq; 0: the author may not write; -seq: the key is known.
APPEND = "SELECT chat_append(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s)"
# In the order of EventRow and Amended, behind the room.
EVENTS = """
    SELECT e.room_id, e.seq, e.kind, e.author_id, u.username, e.key, e.at,
        CASE WHEN e.kind = 'message.edited' THEN t.text ELSE e.text END,
        e.alias, e.edited, e.deleted, e.reactions, e.target, e.data, t.kind, t.text, t.data
    FROM chat_event e
    JOIN accounts_user u ON u.id = e.author_id
    LEFT JOIN chat_event t ON t.room_id = e.room_id AND t.seq = e.target
"""
KNOWN = f"""
    {EVENTS}
    JOIN unnest(%s::bigint[], %s::bigint[]) AS wanted (room, place) ON e.room_id = room AND e.seq = place
"""
KNOWN_KEYS = f"""
    {EVENTS}
    JOIN unnest(%s::bigint[], %s::bigint[], %s::text[]) AS wanted (room, person, name)
    ON e.room_id = room AND e.author_id = person AND e.key = name
"""

LOCKED_MS = 2_000
# As in chat_append: a plan made while a table was small would read all of it when it is large.
BEGIN = f"""
    SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
        set_config('enable_mergejoin', 'off', true), set_config('enable_material', 'off', true),
        set_config('idle_in_transaction_session_timeout', '{LOCKED_MS}', true)
"""
# In the order of the ids, so that two processes never wait for each other. Later statements see their commits.
LOCK = "SELECT id, head, uncounted FROM rooms_room WHERE id = ANY (%s::bigint[]) ORDER BY id FOR NO KEY UPDATE"
ROLES = """
    SELECT room_id, user_id, role FROM rooms_membership
    JOIN unnest(%s::bigint[], %s::bigint[]) AS wanted (room, person) ON room_id = room AND user_id = person
    WHERE NOT silenced
"""
INSERT = """
    INSERT INTO chat_event (
        room_id, seq, kind, author_id, key, at, text, alias, edited, deleted, reactions, target, data, uncounted
    )
    SELECT room, seq, kind, person, name, %s, body, alias, false, false, '{}', target, data::jsonb, passed
    FROM unnest(
        %s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::text[],
        %s::bigint[]
    ) AS new (room, seq, kind, person, name, body, alias, target, data, passed)
"""
CHANGE = """
    UPDATE chat_event SET text = body, edited = was_edited, deleted = was_deleted, reactions = liked::jsonb, data = fields::jsonb
    FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::boolean[], %s::boolean[], %s::text[], %s::text[])
        AS new (room, place, body, was_edited, was_deleted, liked, fields)
    WHERE room_id = room AND seq = place
"""
DUE = """
    INSERT INTO chat_due (room_id, seq, at)
    SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[])
    ON CONFLICT (room_id, seq) DO UPDATE SET at = excluded.at
"""
UNDUE = "DELETE FROM chat_due USING unnest(%s::bigint[], %s::bigint[]) AS gone (room, place) WHERE room_id = room AND seq = place"
# Each member that a message names, and for 0 each member. An author names not themselves.
MENTION = """
    INSERT INTO rooms_mention (room_id, user_id, seq)
    SELECT m.room_id, m.user_id, place
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[]) AS new (room, place, author, person)
    JOIN rooms_membership m ON m.room_id = room AND (m.user_id = person OR person = 0) AND m.user_id <> author
    ON CONFLICT DO NOTHING
"""
UNMENTION = """
    DELETE FROM rooms_mention USING unnest(%s::bigint[], %s::bigint[]) AS gone (room, place) WHERE room_id = room AND seq = place
"""
MOVE = """
    UPDATE rooms_room SET head = new.head, uncounted = passed,
        last_at = CASE WHEN counted THEN clock_timestamp() ELSE last_at END,
        amended_at = CASE WHEN amended THEN clock_timestamp() ELSE amended_at END
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::boolean[], %s::boolean[])
        AS new (room, head, passed, counted, amended)
    WHERE id = room
"""


class PostgresStore:
    def __init__(self, limits: Limits = LIMITS) -> None:
        self.pool = Pool("log", LOG_CONNECTIONS, limits)

    async def store(self, batch: Sequence[PendingEvent]) -> list[Result]:
        """Store a batch in one transaction.

        Raises DatabaseUnavailable when the outcome is unknown, CannotStore when a row is at fault and nothing is stored.
        """
        tries: list[datetime] = []

        async def commit(connection: Connection) -> list[Result]:  # the keys make another try safe
            tries.append(datetime.now(UTC))
            plain = all(append.is_plain for append in batch)
            return await (_commit if plain else _commit_planned)(connection, batch, tries[-1])

        try:
            results = await self.pool.run(commit)
        except ROW_AT_FAULT as error:
            raise CannotStore(transient=isinstance(error, psycopg.errors.UniqueViolation)) from error
        return _as_first_sent(results, set(tries[:-1])) if len(tries) > 1 else results

    async def close(self) -> None:
        await self.pool.close()


def _as_first_sent(results: list[Result], tried: set[datetime]) -> list[Result]:
    """Clear `duplicate` of events that an earlier try of the same call committed.

    The answer to that try was lost: to their sender they are no duplicates, and they are still to be published.
    Their time tells them from what others stored under the key.
    """
    seen: set[tuple[int, int]] = set()
    for result in results:
        if isinstance(result, Stored) and result.duplicate and result.at in tried:
            place = (result.room.id, result.seq)
            result.duplicate = place in seen
            seen.add(place)
    return results


async def _commit(connection: Connection, batch: Sequence[PendingEvent], now: datetime) -> list[Result]:
    of_key = dedupe_by_key(batch)
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


async def _known(connection: Connection, places: Sequence[Place]) -> dict[Identity, EventRow]:
    rows = await connection.execute(KNOWN, [_numbers(column) for column in zip(*places, strict=True)])
    return {(room, row.author, row.key): row for room, row in await _events(rows)}


async def _events(cursor: psycopg.AsyncCursor[Any]) -> list[tuple[int, EventRow]]:
    """Each event behind its room's id."""
    return [(room, event_row(*columns)) for room, *columns in await cursor.fetchall()]


async def _commit_planned(connection: Connection, batch: Sequence[PendingEvent], now: datetime) -> list[Result]:
    """Statements of a pipeline share a trip: it ends where an answer is read."""
    asked = dedupe_by_key(batch)
    async with connection.pipeline(), connection.transaction():
        found = await _lock(connection, list(asked.values()))
        made = plan(asked, found, now)
        if made.new:
            await _write(connection, made, {room: state for room, state in found.rooms.items() if state.moved}, now)
    return results(batch, made.seqs, dict(found.known), now, made)


async def _lock(connection: Connection, asked: Sequence[PendingEvent]) -> Found:
    rooms = _numbers(append.room.id for append in asked)
    people = _numbers(append.author for append in asked)
    # Each target once: of a poll that many amend at a time, the state is large.
    amended = dict.fromkeys((append.room.id, append.target) for append in asked if append.target is not None)
    places = [_numbers(room for room, _ in amended), _numbers(seq for _, seq in amended)]
    await connection.execute(BEGIN)
    locked = await connection.execute(LOCK, [rooms])
    roles = await connection.execute(ROLES, [rooms, people])
    known = await connection.execute(KNOWN_KEYS, [rooms, people, _texts(append.key for append in asked)])
    targets = await connection.execute(KNOWN, places)
    return Found(
        rooms={room: RoomState(head, uncounted) for room, head, uncounted in await locked.fetchall()},
        roles={(room, person): role for room, person, role in await roles.fetchall()},
        known={(room, row.author, row.key): row for room, row in await _events(known)},
        targets={(room, row.seq): row for room, row in await _events(targets)},
    )


async def _write(connection: Connection, made: Plan, moved: Mapping[int, RoomState], now: datetime) -> None:
    appends = [event.append for event in made.new]
    await connection.execute(
        INSERT,
        [
            now,
            _numbers(append.room.id for append in appends),
            _numbers(event.seq for event in made.new),
            _texts(append.kind for append in appends),
            _numbers(append.author for append in appends),
            _texts(append.key for append in appends),
            _texts(append.text if append.target is None else "" for append in appends),
            _texts(append.alias for append in appends),
            _numbers(append.target for append in appends),
            _texts(map(_json, (append.data for append in appends))),
            _numbers(event.uncounted for event in made.new),
        ],
    )
    if made.changed:
        rows = made.changed.values()
        await connection.execute(
            CHANGE,
            [
                *_places(made.changed),
                _texts(row.text for row in rows),
                _flags(row.edited for row in rows),
                _flags(row.deleted for row in rows),
                _texts(_json(row.reactions) for row in rows),
                _texts(_json(row.data) for row in rows),
            ],
        )
    await _set_mentions(connection, made)
    await _set_due(connection, made.due)
    states = moved.values()
    await connection.execute(
        MOVE,
        [
            _numbers(moved),
            _numbers(state.head for state in states),
            _numbers(state.uncounted for state in states),
            _flags(state.counted for state in states),
            _flags(state.amended for state in states),
        ],
    )


async def _set_mentions(connection: Connection, made: Plan) -> None:
    if named := made.mentions():
        await connection.execute(MENTION, [_numbers(column) for column in zip(*named, strict=True)])
    if gone := [place for place, row in made.changed.items() if row.deleted]:
        await connection.execute(UNMENTION, _places(gone))


async def _set_due(connection: Connection, due: Mapping[Place, datetime | None]) -> None:
    later = {place: at for place, at in due.items() if at is not None}
    if later:
        await connection.execute(DUE, [*_places(later), _texts(at.isoformat() for at in later.values())])
    if never := [place for place, at in due.items() if at is None]:
        await connection.execute(UNDUE, _places(never))


def _places(places: Iterable[Place]) -> list[str]:
    return [_numbers(column) for column in zip(*places, strict=True)]


def _json(value: Any) -> str | None:
    return None if value is None else encode(value)


# Arrays as Postgres reads them (its manual, 8.15.2). The driver's dumpers look at each value several times: that was a tenth
# of a message's time.


def _numbers(values: Iterable[int | None]) -> str:
    return "{" + ",".join("NULL" if value is None else str(value) for value in values) + "}"


def _flags(values: Iterable[bool]) -> str:
    return "{" + ",".join("t" if value else "f" for value in values) + "}"


def _texts(values: Iterable[str | None]) -> str:
    return "{" + ",".join(map(_quoted, values)) + "}"


def _quoted(value: str | None) -> str:
    return "NULL" if value is None else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
