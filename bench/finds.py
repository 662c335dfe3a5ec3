"""`PYTHONPATH=app python -m bench.finds`: time searches among many messages.

MESSAGES (1,000,000) in ROOMS (1,000) rooms, on a Postgres of its own. NOTES (500) shared notes are in rooms that all who ask are
in: each search with words compares the texts of a person's newest 500 notes, too.

The texts have words as often as a language has them (Zipf), every tenth message is Chinese. People in all rooms, in 60 and in 3
ask for words, beginnings, parts, phrases, an author, and pairs of Chinese characters. Prints milliseconds in the process that
asks, the database included.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import psycopg

from tests.support.services import Postgres

APP = Path(__file__).resolve().parents[1] / "app"
MESSAGES, ROOMS = int(os.environ.get("MESSAGES", "1000000")), int(os.environ.get("ROOMS", "1000"))
NOTES = int(os.environ.get("NOTES", "500"))
PEOPLE, VOCABULARY, ASKED = 200, 40_000, 40
LETTERS = "abcdefghijklmnopqrstuvwxyz"
random.seed(14)
WORDS = ["".join(random.choices(LETTERS, k=random.randint(2, 11))) for _ in range(VOCABULARY)]
SIGNS = [chr(random.randint(0x4E00, 0x5E00)) for _ in range(3_000)]
WORD_WEIGHTS, SIGN_WEIGHTS = (list(accumulate(1 / (rank + 10) for rank in range(len(each)))) for each in (WORDS, SIGNS))


def _text(number: int) -> str:
    if number % 10 == 0:
        return "".join(random.choices(SIGNS, cum_weights=SIGN_WEIGHTS, k=random.randint(5, 30)))
    return " ".join(random.choices(WORDS, cum_weights=WORD_WEIGHTS, k=random.randint(3, 16)))


def _long_text(number: int) -> str:
    """Return some 1,300 characters, as a page of a note."""
    return "\n".join(_text(number + line) for line in range(20))


def main() -> int:
    with Postgres() as postgres:
        url = postgres.create_database()
        os.environ |= {"DATABASE_URL": url, "SECRET_KEY": "k" * 50 + "0123456789", "DATABASE_POOL_SIZE": "8"}
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=APP, check=True)
        _seed(url)
        _measure()
    return 0


def _seed(url: str) -> None:
    """Fill the database.

    Numbers of this module are all that the statements hold.
    """
    began = time.monotonic()
    with psycopg.connect(url, autocommit=True) as own:
        own.execute(
            "INSERT INTO accounts_user (id, username, password, is_superuser, is_staff, is_active, first_name, last_name, email,"
            " date_joined, name_key) SELECT n, 'u' || n, '', false, false, true, '', '', '', now(), 'u' || n"
            f" FROM generate_series(1, {PEOPLE}) n"
        )
        own.execute(
            "INSERT INTO rooms_room (id, slug, title, kind, head, created_at) SELECT n, 'r' || n, '', 'public',"
            f" {MESSAGES // ROOMS}, now() FROM generate_series(1001, {1000 + ROOMS}) n"
        )
        for person, rooms in ((1, ROOMS), (2, min(60, ROOMS)), (3, min(3, ROOMS))):
            own.execute(
                "INSERT INTO rooms_membership (room_id, user_id, role, upto, joined_at)"
                f" SELECT n, {person}, 'member', 0, now() FROM generate_series(1001, {1000 + rooms}) n"
            )
        columns = "room_id, seq, kind, author_id, key, at, text, alias, edited, deleted, reactions"
        with own.cursor() as cursor, cursor.copy(f"COPY chat_event ({columns}) FROM STDIN") as copy:
            for number in range(MESSAGES):
                at = f"2026-{1 + number * 10 // MESSAGES:02}-15T00:00:00Z"
                seq = number // ROOMS + 1
                copy.write_row(
                    (1001 + number % ROOMS, seq, "message", random.randint(1, PEOPLE), f"k{number}", at, _text(number), "", False,
                     False, "{}")
                )  # fmt: skip
        _seed_notes(own)
        print(f"{MESSAGES} messages and {NOTES} notes in {time.monotonic() - began:.0f} s", flush=True)
        own.execute("VACUUM ANALYZE")


def _seed_notes(own: psycopg.Connection) -> None:
    """Add the notes to the three rooms that all who ask are in, behind their messages."""
    rooms = min(3, ROOMS)
    for number in range(NOTES):
        room, seq = 1001 + number % rooms, MESSAGES // ROOMS + 2 + number // rooms
        text = _long_text(number)
        own.execute(
            "INSERT INTO chat_event (room_id, seq, kind, author_id, key, at, text, alias, edited, deleted, reactions, data)"
            " VALUES (%s, %s, 'note', 1, %s, '2026-01-15T00:00:00Z', '', '', false, false, '{}', '{}')",
            [room, seq, f"n{number}"],
        )
        own.execute(
            "INSERT INTO notes_document (room_id, seq, title, author, at, head, size, snapshot, snapshot_upto, text, folded,"
            " folded_upto, version, version_upto, writers)"
            " VALUES (%s, %s, %s, 1, '2026-01-15T00:00:00Z', 0, 0, '', 0, %s, %s, 0, 0, 0, '[]')",
            [room, seq, _text(number)[:120], text, text.lower()],  # the words of points.json are ASCII
        )


def _measure() -> None:
    sys.path.insert(0, str(APP))
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    import django  # noqa: PLC0415  # its settings are there only now

    django.setup()
    from features.search import indexing  # noqa: PLC0415
    from features.search.find import find  # noqa: PLC0415

    began = time.monotonic()
    while indexing.enter_some():
        pass
    print(f"entered in {time.monotonic() - began:.0f} s")
    all_times: list[float] = []
    for name, question in _questions():
        for person, rooms in ((1, ROOMS), (2, min(60, ROOMS)), (3, min(3, ROOMS))):
            times, results = [], 0
            for _ in range(ASKED):
                asked = question()
                began = time.perf_counter()
                results += len(find(person, asked).results)
                times.append((time.perf_counter() - began) * 1000)
            all_times += times
            print(f"{name:>20} {rooms:>5} rooms  {_shown(times)}  {results / ASKED:.1f} results", flush=True)
    print(f"{'all':>20}              {_shown(all_times)}")


def _questions() -> Iterator[tuple[str, Callable[[], Any]]]:
    def word(low: int, high: int) -> str:
        return WORDS[random.randint(low, high)]

    yield "common word", lambda: word(0, 20)
    yield "middling word", lambda: word(100, 1_000)
    yield "rare word", lambda: word(10_000, VOCABULARY - 1)
    yield "two words", lambda: f"{word(0, 300)} {word(0, 300)}"
    yield "beginning", lambda: random.choice([one for one in WORDS if len(one) > 5])[: random.randint(1, 5)]
    yield "part", lambda: random.choice([one for one in WORDS if len(one) > 7])[2:7]
    yield "phrase", lambda: f'"{word(0, 100)} {word(0, 100)}"'
    yield "author and word", lambda: f"from:u{random.randint(1, PEOPLE)} {word(0, 1_000)}"
    yield "author", lambda: f"from:u{random.randint(1, PEOPLE)}"
    yield "pair of signs", lambda: "".join(random.choices(SIGNS, cum_weights=SIGN_WEIGHTS, k=2))
    yield "sign", lambda: random.choices(SIGNS, cum_weights=SIGN_WEIGHTS)[0]
    yield "nothing there", lambda: "qqqq" + word(0, 20)
    yield "word and date", lambda: f"{word(0, 1_000)} before:2026-03-01"


def _shown(times: list[float]) -> str:
    cuts = statistics.quantiles(times, n=20)
    return f"p50 {statistics.median(times):6.1f} ms  p95 {cuts[18]:6.1f} ms  max {max(times):6.1f} ms"


if __name__ == "__main__":
    sys.exit(main())
