"""Concurrent first joins of a room take one statement for all."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from core.errors import NoSuchRoom, NotAMember
from db.queries import by_orm
from rooms import access, leaving, services, slugs
from rooms.arrivals import Arrival, Entered, Outcome, enter_all
from rooms.models import Kind, Membership, Role, Room

pytestmark = pytest.mark.django_db


def people(number: int) -> list[int]:
    return [User.objects.create(username=f"person-{each}").id for each in range(number)]


def enter_together(arrivals: list[Arrival]) -> dict[Arrival, Outcome]:
    return by_orm(enter_all(arrivals))


def entered(outcome: object) -> Entered:
    assert isinstance(outcome, Entered), outcome
    return outcome


def test_a_hundred_first_joins_take_three_statements() -> None:
    room = Room.objects.create(slug="square", head=7)
    arrivals = [Arrival(user, "Square", create=False) for user in people(100)]
    with CaptureQueriesContext(connection) as queries:
        outcomes = enter_together(arrivals)
    statements = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    assert len(statements) == 3  # one for the room, one for existing memberships, one for new ones
    assert {(entered(one).last_read_seq, entered(one).new) for one in outcomes.values()} == {(7, True)}
    roles = Counter(Membership.objects.filter(room=room, last_read_seq=7).values_list("role", flat=True))
    assert roles == {Role.MEMBER: 99, Role.OWNER: 1}, "the room was empty: the first member owns it"


def test_a_member_keeps_role_and_read_mark() -> None:
    (user,) = people(1)
    services.room_create(slug="mine", title="", private=True, owner=user)
    Membership.objects.update(last_read_seq=0)
    outcome = entered(enter_together([one := Arrival(user, "mine", create=False)])[one])
    assert (outcome.last_read_seq, outcome.new, outcome.room.slug) == (0, False, "mine")
    assert Membership.objects.get(user_id=user).role == Role.OWNER


def test_each_arrival_is_answered_for_itself() -> None:
    ada, bob = people(2)
    Room.objects.create(slug="open")
    services.room_create(slug="closed", title="", private=True, owner=ada)
    direct, _ = services.room_direct(user=ada, other=bob)
    outcomes = enter_together(
        [
            Arrival(bob, "open", create=False),
            Arrival(bob, "closed", create=False),
            Arrival(bob, "nowhere", create=False),
            Arrival(bob, "no slug!", create=True),
            Arrival(bob, direct.slug, create=False),
            Arrival(ada, slugs.direct(ada, 10_000), create=False),
        ]
    )
    kinds = [type(outcome) for outcome in outcomes.values()]
    assert kinds == [Entered, NotAMember, NoSuchRoom, NoSuchRoom, Entered, NotAMember]


def test_concurrent_first_uses_create_one_room(settings: object) -> None:
    settings.ROOMS_ON_FIRST_USE = True  # type: ignore[attr-defined]
    outcomes = enter_together([Arrival(user, "fresh", create=True) for user in people(3)])
    assert {entered(one).room.slug for one in outcomes.values()} == {"fresh"}
    assert Membership.objects.filter(room__slug="fresh").count() == 3
    assert Membership.objects.filter(room__slug="fresh", role=Role.OWNER).count() == 1
    assert Room.objects.get(slug="fresh").kind == Kind.PUBLIC


def test_join_of_a_deleted_user_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A foreign key to a deleted user fails the statement of all others."""
    Room.objects.create(slug="open")
    ada, bob = people(2)
    whole = Membership.objects.bulk_create

    def refuse_bob(rows: list[Membership], **options: object) -> object:
        if any(row.user_id == bob for row in rows):
            raise IntegrityError("bob is gone")
        return whole(rows, **options)  # type: ignore[arg-type]

    def gone(**asked: object) -> object:
        if asked["user"] == bob:
            raise IntegrityError("bob is gone")
        return enter(**asked)  # type: ignore[arg-type]

    enter = services.room_enter
    monkeypatch.setattr(Membership.objects, "bulk_create", refuse_bob)
    monkeypatch.setattr(services, "room_enter", gone)
    outcomes = enter_together([Arrival(user, "open", create=False) for user in (ada, bob)])
    assert [type(outcome) for outcome in outcomes.values()] == [Entered, NoSuchRoom]


def test_first_to_come_while_the_last_owner_leaves_owns_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    ada, bob, eve = people(3)
    services.room_create(slug="mine", title="", private=False, owner=ada)
    read_marks = access.read_marks_among

    def after_she_left(pairs: Iterable[tuple[int, int]]) -> Any:
        asked = list(pairs)
        leaving.member_remove(slug="mine", by=ada, user=ada)
        return read_marks(asked)

    monkeypatch.setattr(access, "read_marks_among", after_she_left)
    enter_together([Arrival(user, "mine", create=False) for user in (bob, eve)])
    assert list(Membership.objects.order_by("id").values_list("user_id", "role")) == [(bob, Role.OWNER), (eve, Role.MEMBER)]


def test_who_comes_alone_as_the_last_owner_leaves_owns_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    ada, bob = people(2)
    services.room_create(slug="mine", title="", private=False, owner=ada)

    def not_yet() -> Q:
        leaving.member_remove(slug="mine", by=ada, user=ada)
        return Q(pk__isnull=True)

    monkeypatch.setattr(services, "is_deserted", not_yet)
    membership, new = services.room_enter(slug="mine", user=bob, create=False)
    assert (membership.role, new) == (Role.OWNER, True)
    assert Membership.objects.get().role == Role.OWNER
