"""Note the words of new messages, so that a part of a word is found in older messages, too. Only on Postgres."""

from __future__ import annotations

from django.db import connection, transaction

from db import database
from features.search.models import LONGEST_WORD
from features.search.words import LEAST_PART, UNSPACED

EVERY_S = 2.0
# Messages of one turn: an existing log of a million is read in a few minutes beside everything else.
MANY = 5_000
# Every commit has ended by then: an event with a lower id cannot appear any more.
SETTLED_S = 15
_LOCK = 0x5EA7C4
_NEXT = """
    SELECT min(id), max(id), count(*) FROM (
        SELECT id FROM chat_event WHERE id > %s AND at < now() - make_interval(secs => %s) ORDER BY id LIMIT %s
    ) AS next
"""
_ADD = f"""
    INSERT INTO search_word (word)
    SELECT DISTINCT word FROM chat_event, unnest(tsvector_to_array(to_tsvector('simple'::regconfig, search_text(text)))) AS word
    WHERE id BETWEEN %s AND %s AND text <> ''
        AND char_length(word) BETWEEN {LEAST_PART + 1} AND {LONGEST_WORD} AND word !~ '[{UNSPACED}]'
    ORDER BY word ON CONFLICT DO NOTHING
"""  # noqa: S608  # constants


async def note_words() -> None:
    """Note the words of the next messages. Another process that does so at once is left to it."""
    if connection.vendor == "postgresql":
        await database.run(note)


def note() -> None:
    """Synchronous, in a database thread."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            return
        cursor.execute("SELECT upto FROM search_progress WHERE id = 1")
        (upto,) = cursor.fetchone() or (0,)
        cursor.execute(_NEXT, [upto, SETTLED_S, MANY])
        first, last, count = cursor.fetchone()
        if not count:
            return
        cursor.execute(_ADD, [first, last])
        cursor.execute(
            "INSERT INTO search_progress (id, upto) VALUES (1, %s) ON CONFLICT (id) DO UPDATE SET upto = excluded.upto", [last]
        )
