"""What a compaction leaves of a note's updates, without a server."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from features.notes import crdt, services
from features.notes.models import Document, Update
from features.notes.services import Incoming
from features.notes.versions import KEEP, note_compact, notes_compact
from realtime.publish import Person, RoomRef
from rooms.models import Membership, Room
from tests.features.notes.editor import Copy

pytestmark = pytest.mark.django_db(transaction=True)

WORDS = ("one ", "two ", "three ")


@pytest.fixture
def document() -> Document:
    """A note with an update for each of WORDS, all but the last one of long ago."""
    user, room = User.objects.create(username="ada"), Room.objects.create(slug="room")
    Membership.objects.create(room=room, user=user)
    ada, place, copy = Person(user.id, "ada"), RoomRef(room.id, room.slug, direct=False), Copy()
    services.document_create(place, 1, "Plan", ada.id)
    for word in WORDS:
        before = copy.doc.get_state()
        copy.write(word)
        services.updates_store(place, 1, [Incoming(ada, copy.missing(before))])
    found = Document.objects.get(room=room, seq=1)
    old = Update.objects.filter(document=found).exclude(number=len(WORDS))
    assert old.update(at=timezone.now() - KEEP - timedelta(seconds=1)) == len(WORDS) - 1
    return found


def numbers(document: Document) -> list[int]:
    return list(Update.objects.filter(document=document).order_by("number").values_list("number", flat=True))


def test_old_updates_go_into_the_snapshot(document: Document) -> None:
    assert numbers(document) == [1, 2, 3]
    assert note_compact(document.id)
    assert numbers(document) == [3], "processes may have to push it still"
    document.refresh_from_db()
    assert (document.snapshot_upto, document.text) == (3, "".join(WORDS))
    Update.objects.all().delete()
    assert crdt.text_of(services.whole(document.id)[0]) == "".join(WORDS), "the snapshot has all of them"


def test_regular_run_compacts_an_edited_note_once(document: Document) -> None:
    assert notes_compact() == 1
    assert notes_compact() == 0
    document.refresh_from_db()
    assert (document.snapshot_upto, document.text) == (3, "".join(WORDS))
