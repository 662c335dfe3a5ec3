"""A prepared query answers as its queryset does.

Its SQL is built once for each count of numbers.
"""

from collections.abc import Sequence
from typing import Any

import pytest
from django.db.models import F, Q, QuerySet, RowRange, Sum, Window

from accounts.models import User
from chat.models import Event
from db.queries import Prepared
from rooms.models import Room

pytestmark = pytest.mark.django_db


class CountedRows:
    """Events of one author after a seq in some rooms; counts how often it is built.

    The rows have columns that converters must read.
    """

    def __init__(self) -> None:
        self.built = 0

    def __call__(self, numbers: Sequence[int]) -> QuerySet[Any, Any]:
        self.built += 1
        above, *rooms = numbers
        before = Window(Sum("seq"), order_by=("room_id", "seq"), frame=RowRange(None, -1))
        found = Event.objects.annotate(before=before, twice=F("seq") * 2).filter(Q(before=None) | Q(before__gt=above))
        columns = ("seq", "room__slug", "twice", "at", "reactions", "data", "author__username")
        return found.filter(room_id__in=rooms).order_by("room_id", "seq").values_list(*columns)


@pytest.fixture
def rooms() -> list[int]:
    ada = User.objects.create(username="ada")
    rooms = [Room.objects.create(slug=f"room-{number}", head=4) for number in range(3)]
    fields = {"at": "2026-11-21T09:00:00Z", "reactions": {"👍": [ada.id]}, "data": {"parts": [1, None]}}
    Event.objects.bulk_create(
        Event(room=room, seq=seq, author=ada, key=f"k{seq}", text="hi", **fields) for room in rooms for seq in range(1, 5)
    )
    return [room.id for room in rooms]


def test_prepared_query_answers_as_its_queryset_does(rooms: list[int]) -> None:
    rows = CountedRows()
    prepared = Prepared(Event, rows)
    asked = [[0, rooms[0]], [2, rooms[1]], [3, rooms[0], rooms[2]], [10**6, *rooms], [0, rooms[0] + 10**9], [0, *rooms, 7]]
    for numbers in asked:
        found = prepared(numbers)
        assert found == list(CountedRows()(numbers)), numbers
        assert all(isinstance(row, tuple) for row in found)
    assert [row[:3] for row in prepared([0, rooms[1]])] == [(seq, "room-1", 2 * seq) for seq in range(1, 5)]


def test_statement_is_built_once_for_each_count_of_numbers(rooms: list[int]) -> None:
    rows = CountedRows()
    prepared = Prepared(Event, rows)
    for room in rooms:
        prepared([0, room])
    assert rows.built == 1
    prepared([0, *rooms])
    prepared([1, *reversed(rooms)])
    assert rows.built == 2


def test_many_numbers_are_not_kept(rooms: list[int]) -> None:
    rows = CountedRows()
    prepared = Prepared(Event, rows)
    many = [0, *range(100), *rooms]
    assert prepared(many) == prepared(many) == list(CountedRows()(many))
    assert rows.built == 2
