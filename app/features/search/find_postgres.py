"""Search on Postgres: newest messages, messages not entered yet, then the index.

A common word is found among the newest messages, and the index holds few entries of any other word. So neither of
them reads many rows.
"""

from __future__ import annotations

from typing import Any

from django.db import OperationalError, connections, transaction

from core.features import installed
from db import replica
from features.search import words
from features.search.metrics import SEARCHED
from features.search.wanted import CANDIDATES, Found, Wanted

# Messages whose text is compared before the index is asked: the newest of one's rooms, or of all where one is in many.
RECENT = 2_000
# Events not entered yet whose text is compared: more than a minute's worth at 1,000 messages a second.
UNENTERED = 50_000
# Above it neither the log nor the index is asked for each room: the index would read as many entries as there are messages.
FEW_ROOMS = 100
# Words of the index that contain the searched part after their first letter; words that begin with it need no list. The list is
# the installation's, so a common part stands in more words; the search then says that there may be more.
EXPANDED = 50
LIMIT_MS = 1_500
# The latest messages with files that are looked at.
MOST_WITH_FILES = 5_000

_COLUMNS = "e.id, e.room_id, e.seq, e.author_id, u.username, e.at, e.text"
_FOUND = f"SELECT {_COLUMNS} FROM found e JOIN accounts_user u ON u.id = e.author_id ORDER BY e.id DESC"  # noqa: S608  # constants
_LATEST = f"""
WITH found AS MATERIALIZED (
    SELECT e.* FROM unnest(%(rooms)s::bigint[]) AS mine (room), LATERAL (
        SELECT * FROM chat_event WHERE room_id = room {{bound}} ORDER BY seq DESC LIMIT %(each)s
    ) AS e
    WHERE {{conditions}} ORDER BY e.id DESC LIMIT %(most)s
) {_FOUND}
"""  # noqa: S608  # constants
# For a person in many rooms: a look into each room takes longer than the rest of the search.
_LATEST_OF_ALL = f"""
WITH found AS MATERIALIZED (
    SELECT e.* FROM (SELECT * FROM chat_event ORDER BY id DESC LIMIT %(recent)s) AS e
    WHERE e.room_id = ANY (%(rooms)s::bigint[]) AND {{conditions}} ORDER BY e.id DESC LIMIT %(most)s
) {_FOUND}
"""  # noqa: S608  # constants
# Both the first text and later edits. Planned with the number in it: of an unknown one a third of the log would be expected.
_UNENTERED = f"""
WITH found AS MATERIALIZED (
    SELECT * FROM (
        SELECT new.* FROM chat_event new WHERE new.id > %(since)s AND new.room_id = ANY (%(rooms)s::bigint[])
        UNION ALL
        SELECT old.* FROM chat_event new JOIN chat_event old ON old.room_id = new.room_id AND old.seq = new.target
        WHERE new.id > %(since)s AND new.room_id = ANY (%(rooms)s::bigint[]) AND new.kind = 'message.edited'
    ) AS e
    WHERE {{conditions}} ORDER BY e.id DESC LIMIT %(most)s
) {_FOUND}
"""  # noqa: S608  # constants
# Messages are read in the order of their ids, only until there are enough.
_MATCHING = f"""
WITH entry AS MATERIALIZED (SELECT s.id FROM search_entry s WHERE {{entries}}), found AS MATERIALIZED (
    SELECT e.* FROM (SELECT id FROM entry ORDER BY id DESC OFFSET 0) AS newest,
        LATERAL (SELECT * FROM chat_event WHERE id = newest.id LIMIT 1) AS e
    WHERE {{conditions}} ORDER BY newest.id DESC LIMIT %(most)s
) {_FOUND}
"""  # noqa: S608  # constants
_ALL = f"""
WITH found AS MATERIALIZED (
    SELECT e.* FROM chat_event e WHERE e.room_id = ANY (%(rooms)s::bigint[]) AND {{conditions}} ORDER BY e.id DESC LIMIT %(most)s
) {_FOUND}
"""  # noqa: S608  # constants
_WITH_FILES = f"""
WITH found AS MATERIALIZED (
    SELECT e.* FROM unnest(%(file_rooms)s::bigint[], %(file_seqs)s::bigint[]) AS mine (room, place)
    JOIN chat_event e ON e.room_id = room AND e.seq = place
    WHERE {{conditions}} ORDER BY e.id DESC LIMIT %(most)s
) {_FOUND}
"""  # noqa: S608  # constants


def search(wanted: Wanted) -> tuple[list[Found], bool]:
    """Return matches, the newest ones first, and whether there may be more."""
    with transaction.atomic(using=replica.alias()), connections[replica.alias()].cursor() as cursor:
        # Parallel workers take longer to start than to search.
        cursor.execute(
            "SELECT set_config('statement_timeout', %s, true), set_config('max_parallel_workers_per_gather', '0', true)",
            [str(LIMIT_MS)],
        )
        if wanted.question.has_file:
            return _with_files(cursor, wanted)
        latest = _latest(cursor, wanted) if _is_exact(wanted) else []
        if len(latest) > wanted.limit:
            SEARCHED.labels("latest").inc()
            return latest, True
        try:
            with transaction.atomic(using=replica.alias()):
                unentered = _unentered(cursor, wanted)  # first: a message may be entered meanwhile
                matching, is_whole = _matching(cursor, wanted)
                found = [*unentered, *matching]
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", "") != "57014":  # query_canceled
                raise
            SEARCHED.labels("late").inc()
            return latest, True
    SEARCHED.labels("index").inc()
    both = {row.id: row for row in (*latest, *found)}
    return sorted(both.values(), key=lambda row: -row.id), len(found) >= CANDIDATES or not is_whole


def _is_exact(wanted: Wanted) -> bool:
    """Return whether the newest messages may answer the search.

    They may not if the search has dates. If it asks for the newest matches in order, they may in a single room only.
    """
    dated = wanted.question.before is not None or wanted.question.after is not None
    return not dated and (len(wanted.rooms) == 1 or not wanted.newest)


def _latest(cursor: Any, wanted: Wanted) -> list[Found]:
    conditions, values = _conditions(wanted, wanted.question.terms)
    bound = "AND seq < %(before_seq)s" if wanted.before_seq is not None else ""
    values |= {"each": RECENT // len(wanted.rooms), "recent": RECENT}
    statement = _LATEST if len(wanted.rooms) <= FEW_ROOMS else _LATEST_OF_ALL
    cursor.execute(statement.format(bound=bound, conditions=" AND ".join(conditions)), values)
    return [Found(*row) for row in cursor.fetchall()]


def _unentered(cursor: Any, wanted: Wanted) -> list[Found]:
    cursor.execute("SELECT (SELECT entered FROM search_progress WHERE id = 1), (SELECT max(id) FROM chat_event)")
    entered, newest = cursor.fetchone()
    if newest is None or (entered is not None and entered >= newest):
        return []
    conditions, values = _conditions(wanted, wanted.question.terms)
    values |= {"since": max(entered or 0, newest - UNENTERED)}
    if wanted.before_seq is not None:
        conditions.append("e.seq < %(before_seq)s")
    cursor.execute(_UNENTERED.format(conditions=" AND ".join(conditions)), values)
    return [Found(*row) for row in cursor.fetchall()]


def _with_files(cursor: Any, wanted: Wanted) -> tuple[list[Found], bool]:
    """Search in the messages with files: their feature knows them, and they are few."""
    part = installed().message_parts.get("files")
    places = part.places(list(wanted.rooms), MOST_WITH_FILES) if part is not None and part.places is not None else []
    conditions, values = _conditions(wanted, wanted.question.terms)
    if wanted.before_seq is not None:
        conditions.append("e.seq < %(before_seq)s")
    values |= {"file_rooms": [room for room, _ in places], "file_seqs": [seq for _, seq in places]}
    cursor.execute(_WITH_FILES.format(conditions=" AND ".join(conditions)), values)
    found = [Found(*row) for row in cursor.fetchall()]
    SEARCHED.labels("files").inc()
    return found, len(found) >= CANDIDATES or len(places) >= MOST_WITH_FILES


def _matching(cursor: Any, wanted: Wanted) -> tuple[list[Found], bool]:
    """Return matches of the index.

    The second value says whether it was asked for all words that hold the parts.
    """
    terms = wanted.question.terms
    holding = {part: _words_with(cursor, part) for part in words.parts(terms)}
    lookup = words.tsquery(terms, {part: found[:EXPANDED] for part, found in holding.items()})
    conditions, values = _conditions(wanted, tuple(term for term in terms if not _is_one_word(term)))
    if wanted.before_seq is not None:
        conditions.append("e.seq < %(before_seq)s")
    few = len(wanted.rooms) <= FEW_ROOMS
    entries = ["s.place && %(rooms)s::bigint[]" if few else "s.place[1] = ANY (%(rooms)s::bigint[])"]
    if lookup:
        entries.append("s.words @@ %(words)s::tsquery")
    if wanted.author is not None:
        entries.append("s.place @> ARRAY[-%(author)s::bigint]")
    statement = _ALL
    if few or len(entries) > 1:
        # Statistics say nothing of a part of a word: the index of words would be passed by for a common one.
        cursor.execute("SELECT set_config('enable_seqscan', 'off', true)")
        statement = _MATCHING
    text = statement.format(entries=" AND ".join(entries), conditions=" AND ".join(conditions))
    cursor.execute(text, values | {"words": lookup})
    return [Found(*row) for row in cursor.fetchall()], all(len(found) <= EXPANDED for found in holding.values())


def _is_one_word(term: str) -> bool:
    """Return whether the index alone finds the term.

    It finds no phrases, and in a script without blanks no term of more than two characters.
    """
    return words.pieces(term) == [term] and (len(term) <= 2 or not words.is_unspaced(term[0]))


def _words_with(cursor: Any, part: str) -> list[str]:
    """Return words that hold the part behind their beginning.

    There are EXPANDED + 1 at most.
    """
    pattern = _escaped(part)
    select = "SELECT word FROM search_word WHERE word LIKE %s AND word NOT LIKE %s LIMIT %s"
    cursor.execute(select, [f"%{pattern}%", f"{pattern}%", EXPANDED + 1])
    return [word for (word,) in cursor.fetchall()]


def _conditions(wanted: Wanted, terms: tuple[str, ...]) -> tuple[list[str], dict[str, Any]]:
    """Return the conditions that hold in both ways, and all values."""
    question = wanted.question
    conditions = ["e.kind = ANY (%(kinds)s)"]
    values: dict[str, Any] = {
        "rooms": list(wanted.rooms),
        "kinds": wanted.kinds,
        "most": CANDIDATES,
        "author": wanted.author,
        "before_seq": wanted.before_seq,
        "before": question.before,
        "after": question.after,
    }
    for number, term in enumerate(terms):
        conditions.append(f"e.text ILIKE %(term{number})s")
        values[f"term{number}"] = f"%{_escaped(term)}%"
    if wanted.author is not None:
        conditions.append("e.author_id = %(author)s")
    if question.before is not None:
        conditions.append("e.at < %(before)s")
    if question.after is not None:
        conditions.append("e.at >= %(after)s")
    # Of a deleted message its feature may not know yet.
    conditions.append("e.data->'files' IS NOT NULL" if question.has_file else "e.text <> ''")
    return conditions, values


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
