"""Messages are entered into the search index after their commit.

Search finds each message before, while and after it is entered, in its present text.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection

from chat.models import Event
from features.search import find_postgres, indexing
from features.search.find import find
from features.search.models import Progress, Word
from tests.chat.world import World

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let messages be entered at once, and search only entered or waiting ones."""
    monkeypatch.setattr(indexing, "SETTLED_S", 0)
    monkeypatch.setattr(find_postgres, "_is_exact", lambda _: False)
    yield
    execute("TRUNCATE search_entry")


@pytest.fixture
def world() -> World:
    return World()


def execute(statement: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def event(world: World, seq: int, text: str = "", kind: str = "message", target: int | None = None) -> None:
    Event.objects.create(
        room_id=world.rooms[0].id,
        author=world.ada,
        seq=seq,
        key=str(seq),
        text=text,
        kind=kind,
        target=target,
        at=datetime.now(UTC),
    )


def edit(world: World, seq: int, text: str, *, by: int, kind: str = "message.edited") -> None:
    Event.objects.filter(room_id=world.rooms[0].id, seq=seq).update(text=text)
    event(world, by, kind=kind, target=seq)


def enter() -> None:
    Progress.objects.update(paused_until=None)
    indexing.enter()


def seqs(world: World, query: str) -> list[int]:
    return sorted(result["seq"] for result in find(world.ada.id, query).results)


def entered() -> int:
    return len(execute("SELECT id FROM search_entry"))


def test_message_is_found_before_and_after_it_is_entered(world: World) -> None:
    event(world, 1, "database 会议很重要")
    event(world, 2, "the base")
    for _ in range(2):
        assert (seqs(world, "base"), seqs(world, "很重"), seqs(world, "from:ada base")) == ([1, 2], [1], [1, 2])
        enter()
    assert entered() == 2
    assert Word.objects.filter(word="database").exists()
    event(world, 3, "base three")
    assert seqs(world, "base") == [1, 2, 3]


def test_edit_of_an_entered_message_is_found_at_once_and_entered(world: World) -> None:
    event(world, 1, "before")
    enter()
    edit(world, 1, "afterwards", by=2)
    for _ in range(2):
        assert (seqs(world, "before"), seqs(world, "afterwards")) == ([], [1])
        enter()
    assert execute("SELECT words::text FROM search_entry") == [("'afterwards':1",)]


def test_deleted_message_leaves_no_entry(world: World) -> None:
    event(world, 1, "secret")
    enter()
    edit(world, 1, "", by=2, kind="message.deleted")
    assert seqs(world, "secret") == []
    enter()
    assert entered() == 0


def test_deleted_room_leaves_no_entry(world: World) -> None:
    event(world, 1, "secret")
    enter()
    Event.objects.filter(room_id=world.rooms[0].id).delete()
    assert entered() == 0


def test_turn_enters_in_pieces_and_the_next_one_waits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "MANY", 2)
    for seq in range(1, 6):
        event(world, seq, f"number{seq}")
    indexing.enter()
    assert entered() == 5
    assert Progress.objects.get().paused_until is not None
    event(world, 6, "number6")
    Progress.objects.update(paused_until="2999-01-01T00:00:00Z")
    indexing.enter()
    assert entered() == 5
    assert seqs(world, "number6") == [6]


@pytest.mark.parametrize(("many_a_s", "shares"), [(4, 40), (5, 10)])
def test_next_turn_waits_longer_while_many_messages_arrive(
    world: World, monkeypatch: pytest.MonkeyPatch, many_a_s: int, shares: int
) -> None:
    monkeypatch.setattr(indexing, "MANY_A_S", many_a_s)
    monkeypatch.setattr(indexing, "time", SimpleNamespace(monotonic=iter([0.0, 100.0, 100.0]).__next__))
    for seq in range(1, 6):
        event(world, seq, f"number{seq}")
    begun = datetime.now(UTC)
    indexing.enter()
    paused_until = Progress.objects.get().paused_until
    assert paused_until is not None
    assert (paused_until - begun).total_seconds() == pytest.approx(100 * (shares - 1), abs=60)


def test_another_process_that_indexes_is_left_to_it(world: World) -> None:
    event(world, 1, "one")
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [indexing._LOCK])
            indexing.enter()
            assert entered() == 0
            cursor.execute("SELECT pg_advisory_unlock(%s)", [indexing._LOCK])
    finally:
        other.close()
    indexing.enter()
    assert entered() == 1


def test_uncommitted_time_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "SETTLED_S", 60)
    event(world, 1, "young")
    indexing.enter()
    assert entered() == 0
    assert seqs(world, "young") == [1]


@pytest.mark.parametrize(
    ("word", "number", "is_whole"), [("w{}base", 50, True), ("w{}base", 60, False), ("base{}", 60, True), ("{}", 60, True)]
)
def test_part_of_more_words_than_are_looked_up_says_more(world: World, word: str, number: int, *, is_whole: bool) -> None:
    for seq in range(1, number + 1):
        event(world, seq, f"{word.format(seq)} and base")
        event(world, number + seq, word.format(seq))
    enter()
    wanted = 2 * number if "base" in word else number
    found = find(world.ada.id, "base", limit=200)
    assert found.more is not is_whole
    assert len(found.results) == wanted or not is_whole
