"""Pages of the log are bounded in events and in bytes.

Events beyond these bounds are not even read.
"""

import dataclasses
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from chat import history, kinds
from chat.models import Event
from core.limits import LIMITS
from realtime.publish import RoomRef
from rooms import access
from rooms.models import Room

pytestmark = pytest.mark.django_db

BIG = "\N{GRINNING FACE}" * 10_000  # 40 kB
PAGE_OF_BIG = history.PAGE_BYTES // 40_000


def room_of(texts: list[str]) -> RoomRef:
    ada = User.objects.create(username="ada")
    room = Room.objects.create(slug="pages", head=len(texts))
    Event.objects.bulk_create(
        Event(room=room, seq=seq, author=ada, key=f"k{seq}", at="2026-11-21T09:00:00Z", text=text)
        for seq, text in enumerate(texts, 1)
    )
    return access.to_ref(room)


def test_large_texts_are_paged_without_gaps_or_doubles() -> None:
    room = room_of([BIG, "small", ""] * 20)
    after, pages = 0, []
    while True:
        events, more = history.resume_page(room, after, 60)
        pages.append([event.seq for event in events])
        assert sum(len(event.text.encode()) for event in events) <= history.PAGE_BYTES
        if not more:
            break
        after = events[-1].seq
    assert [seq for page in pages for seq in page] == list(range(1, 61))
    assert max(map(len, pages)) <= 3 * PAGE_OF_BIG


def test_small_texts_fill_a_page_by_their_number() -> None:
    room = room_of(["hi"] * (LIMITS.page_events + 1))
    events, more = history.resume_page(room, 0, LIMITS.page_events + 1)
    assert ([event.seq for event in events], more) == (list(range(1, LIMITS.page_events + 1)), True)
    assert [event.seq for event in history.resume_page(room, LIMITS.page_events, LIMITS.page_events + 1)[0]] == [
        LIMITS.page_events + 1
    ]


def test_an_event_larger_than_a_page_is_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PAGE_BYTES", 1000)
    room = room_of(["x" * 5000, "y" * 5000])
    assert [event.seq for event in history.resume_page(room, 0, 2)[0]] == [1]
    assert [event.seq for event in history.resume_page(room, 1, 2)[0]] == [2]


def test_rows_beyond_the_page_are_not_read() -> None:
    """Many readers far behind read each large text once.

    They do not read it again for every page before it.
    """
    room = room_of([BIG] * 100)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        history.resume_page(room, 0, 100)
    sql = queries[-1]["sql"]
    with connection.cursor() as cursor:
        cursor.execute(sql)
        assert len(cursor.fetchall()) <= PAGE_OF_BIG * 4 + 1  # SQLite counts characters, of four bytes here


def test_page_of_votes_makes_their_polls_form_once(monkeypatch: pytest.MonkeyPatch) -> None:
    votes = 100
    room = room_of([""] * (votes + 1))
    poll = {"question": "Tea?", "options": ["yes", "no"], "votes": {str(person): [0] for person in range(1, 1_000)}}
    Event.objects.filter(room_id=room.id, seq=1).update(kind="poll", data=poll)
    Event.objects.filter(room_id=room.id, seq__gt=1).update(kind="poll.voted", target=1, data={"choices": [0]})
    known, made = kinds.KINDS["poll"], []

    def public(state: Any) -> dict[str, Any]:
        made.append(state)
        assert known.public is not None
        return known.public(state)

    monkeypatch.setitem(kinds.KINDS._shown, "poll", dataclasses.replace(known, public=public))
    events, _ = history.resume_page(room, 1, votes + 1)
    assert [event.seq for event in events] == list(range(2, votes + 2))
    assert all('"tally":[999,0]' in event.text for event in events)
    assert len(made) == 1
