"""Delete rooms and people, in batches with pauses.

In the pauses the commits and reads of others go on. Synchronous; for the background worker. Each step may be begun again: a
worker that ends in the middle loses nothing.
"""

from __future__ import annotations

import secrets
import time

import msgspec
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError, Q

from accounts.models import ApiToken, Ticket, User
from accounts.names import DELETED, key_of
from chat.kinds import KINDS
from chat.models import Event
from core.features import EventKind
from core.lookalikes import look_of
from rooms.leaving import ownership_transfer
from rooms.models import Block, Kind, Membership, Room

EVENTS = 1_000
MEMBERS = 200
PAUSE_S = 0.1
# Every process reads that each of them ended: not too many at once.
MEMBERS_PAUSE_S = 1.0


def closed_rooms_delete(*, paused: bool = True) -> int:
    """Deletes the rooms that were closed.

    Returns how many are gone; `paused`: not faster than others bear.
    """
    gone = 0
    for room in Room.objects.filter(closed=True).order_by("id"):
        _end_memberships(room, paused)
        while _delete_events(room):
            _pause(PAUSE_S, paused)
        try:
            room.delete()
            gone += 1
        except (ProtectedError, IntegrityError):
            continue  # a message came in with the last members; the next run deletes it
    return gone


def person_delete(*, user: int, paused: bool = True) -> None:
    """Deletes an account that was shut out.

    Who has written keeps a row without a name: the rooms' logs stay whole.
    """
    person = User.objects.filter(id=user, is_active=False).first()
    if person is None:
        return
    ownership_transfer(user=user)
    while ids := list(Membership.objects.filter(user_id=user).exclude(room__kind=Kind.DIRECT).values_list("id")[:MEMBERS]):
        Membership.objects.filter(id__in=[one for (one,) in ids]).delete()
        _pause(PAUSE_S, paused)
    for kept in (ApiToken.objects.filter(user=user), Ticket.objects.filter(user=user), Block.objects.filter(user=user)):
        kept.delete()
    if Event.objects.filter(author=user).exists() or Membership.objects.filter(user=user).exists():
        _anonymize(person)
    else:
        person.delete()


def person_rename(*, user: int) -> None:
    """Write a person's present name into the games and quizzes that name them.

    The state of such a thing holds names of its own.
    """
    person = User.objects.filter(id=user).first()
    if person is not None:
        _rename_in_things(person)


def _rename_in_things(person: User) -> None:
    for kind in KINDS.everything():
        if kind.renamed is not None:
            for room, seq in _things_of(kind, person.id):
                _rename_in(kind, room, seq, person)


def _anonymize(person: User) -> None:
    person.username = _free_name(person)
    person.first_name = person.last_name = person.email = ""
    person.is_staff = person.is_superuser = False
    person.set_unusable_password()
    # The things come first: an account that still has its name is seen to be unfinished.
    _rename_in_things(person)
    person.save(announce=False)


def _free_name(person: User) -> str:
    """Return `deleted-<id>`, or a longer name if that one is taken.

    It is taken if another account has it, or a name that looks like it.
    """
    name = f"{DELETED}{person.id}"
    taken = User.objects.exclude(id=person.id).filter(Q(name_key=key_of(name)) | Q(look=look_of(name)))
    return f"{name}-{secrets.token_hex(4)}" if taken.exists() else name


def _things_of(kind: EventKind, user: int) -> list[tuple[int, int]]:
    """Return (room, seq) of the things of a kind that a person began or took part in."""
    amending = [one.name for one in KINDS.everything() if one.amends is kind.payload]
    begun = Event.objects.filter(author=user, kind=kind.name).values_list("room_id", "seq")
    joined = Event.objects.filter(author=user, kind__in=amending).values_list("room_id", "target")
    return sorted({*begun, *((room, target) for room, target in joined if target is not None)})


def _rename_in(kind: EventKind, room: int, seq: int, person: User) -> None:
    with transaction.atomic():
        list(Room.objects.select_for_update().filter(id=room).values_list("id"))  # as a commit does: none comes in between
        thing = Event.objects.filter(room=room, seq=seq, kind=kind.name).first()
        if thing is None or kind.renamed is None:
            return
        state = msgspec.convert({"type": kind.name, **(thing.data or {})}, kind.payload)
        thing.data = kind.data_of(kind.renamed(state, person.id, person.username))
        thing.save(update_fields=["data"])


def _end_memberships(room: Room, paused: bool) -> None:
    while batch := list(Membership.objects.filter(room=room).order_by("id")[:MEMBERS]):
        Membership.objects.filter(id__in=[one.id for one in batch]).delete()
        _pause(MEMBERS_PAUSE_S, paused and len(batch) == MEMBERS)


def _delete_events(room: Room) -> int:
    first = Event.objects.filter(room=room).order_by("seq").values_list("seq", flat=True).first()
    if first is None:
        return 0
    return Event.objects.filter(room=room, seq__lt=first + EVENTS).delete()[0]


def _pause(seconds: float, paused: bool) -> None:
    if paused and seconds > 0:
        time.sleep(seconds)
