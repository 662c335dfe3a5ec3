"""Enter new messages in the table of the search, and their words in its word list.

Only on Postgres, and after the commits: a commit that updated the index would sometimes take a tenth of a second longer.
"""

from __future__ import annotations

import time

from django.db import connection, transaction

from db import database
from features.search.models import LONGEST_WORD
from features.search.words import LEAST_PART, UNSPACED

EVERY_S = 2.0
# Events of one transaction.
MANY = 500
# A run ends after BUSY_S, and the next one begins after RESTS times its duration: indexing takes a tenth of one core at most.
BUSY_S = 0.4
RESTS = 9
# While more than MANY_A_S messages a second arrive, none of this keeps up: their commits have the time, indexing a fortieth.
MANY_A_S = 2_000
RESTS_BESIDE_MANY = 39
# Every commit has ended by then: an event with a lower id cannot appear any more.
SETTLED_S = 15
_LOCK = 0x5EA7C4
_PROGRESS = "SELECT entered, coalesce(paused_until > now(), false) FROM search_progress WHERE id = 1"
_NEXT = """
    SELECT max(id) FROM (
        SELECT id FROM chat_event WHERE id > %s AND at < now() - make_interval(secs => %s) ORDER BY id LIMIT %s
    ) AS next
"""
# What was edited or deleted is entered again in its present text.
_ENTER = f"""
    WITH changed AS (
        SELECT id, room_id, author_id, text FROM chat_event WHERE id > %(after)s AND id <= %(last)s
        UNION
        SELECT t.id, t.room_id, t.author_id, t.text
        FROM chat_event x JOIN chat_event t ON t.room_id = x.room_id AND t.seq = x.target
        WHERE x.id > %(after)s AND x.id <= %(last)s AND x.kind IN ('message.edited', 'message.deleted')
    ), gone AS (
        DELETE FROM search_entry USING changed WHERE search_entry.id = changed.id AND text = ''
    ), entered AS (
        INSERT INTO search_entry (id, words, place)
        SELECT id, to_tsvector('simple'::regconfig, search_text(text)), ARRAY[room_id, -author_id] FROM changed WHERE text <> ''
        ON CONFLICT (id) DO UPDATE SET words = excluded.words
        RETURNING words
    )
    INSERT INTO search_word (word)
    SELECT DISTINCT word FROM entered, unnest(tsvector_to_array(words)) AS word
    WHERE char_length(word) BETWEEN {LEAST_PART + 1} AND {LONGEST_WORD} AND word !~ '[{UNSPACED}]'
    ORDER BY word ON CONFLICT DO NOTHING
"""  # noqa: S608  # constants
_ADVANCE = """
    INSERT INTO search_progress (id, upto, entered) VALUES (1, 0, %s) ON CONFLICT (id) DO UPDATE SET entered = excluded.entered
"""
_MANY_ARRIVE = """
    SELECT at > now() - interval '1 second' FROM chat_event
    WHERE id <= (SELECT max(id) FROM chat_event) - %s ORDER BY id DESC LIMIT 1
"""
_PAUSE = "UPDATE search_progress SET paused_until = now() + make_interval(secs => %s) WHERE id = 1"


async def index() -> None:
    """Enter the next messages.

    Another process that does so at once is left to it.
    """
    if connection.vendor == "postgresql":
        await database.run(enter)


def enter() -> None:
    """Synchronous, in a database thread."""
    began = time.monotonic()
    busy_s = 0.0
    while busy_s < BUSY_S and enter_some():
        busy_s = time.monotonic() - began
    if busy_s:
        with connection.cursor() as cursor:
            cursor.execute(_MANY_ARRIVE, [MANY_A_S])
            many = cursor.fetchone() == (True,)
            cursor.execute(_PAUSE, [busy_s * (RESTS_BESIDE_MANY if many else RESTS)])


def enter_some() -> bool:
    """Return whether anything was entered."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            return False
        cursor.execute(_PROGRESS)
        after, paused = cursor.fetchone() or (0, False)
        if paused:
            return False
        cursor.execute(_NEXT, [after, SETTLED_S, MANY])
        (last,) = cursor.fetchone()
        if last is None:
            return False
        cursor.execute(_ENTER, {"after": after, "last": last})
        cursor.execute(_ADVANCE, [last])
        return True
