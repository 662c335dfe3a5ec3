"""Reads and writes of notes.

Synchronous, in a database thread.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Func, Min, Q, QuerySet, TextField
from django.utils import timezone

from accounts.models import User
from chat.publish import refusal_of, thing
from core.errors import BadFrame, FrameRefused, NoSuchTarget, TooLong
from core.word_filter import MOST_WORDS, folded, holds, words_of
from core.words import words as _
from features.notes import crdt
from features.notes.events import Note
from features.notes.models import Document, Update
from realtime.publish import Person, RoomRef
from rooms import access

# A full note takes updates that make its text shorter, up to so many times LIMIT_NOTE_BYTES: a deletion makes the document
# larger until it is compacted.
FULL_TIMES = 2
# The newest updates that one read takes. Compaction keeps a note far below it.
MANY = 20_000
# The newest notes whose text a question is compared with on SQLite, and how many are read at once.
MOST_COMPARED, COMPARED_AT_ONCE = 2_000, 20
# The newest notes that a search through all of a person's rooms compares.
SEARCHED = 500
# What a note's row is read without: its snapshot and its text are large.
LARGE = ("snapshot", "text", "folded", "writers")


class Incoming(NamedTuple):
    """An update that a client has sent."""

    author: Person
    data: bytes


class Stored(NamedTuple):
    # For each update its number, 0 where it changes nothing, or why it is refused.
    results: list[int | FrameRefused]
    # Whether the note had no room for an update: compaction may make some.
    full: bool


class Opened(NamedTuple):
    # What the client lacks, and the server's state vector.
    update: bytes
    vector: bytes
    # Every update up to this number is part of it.
    number: int


def document_create(room: RoomRef, seq: int, title: str, author: int) -> None:
    """Make the row of a note's document, once its event is committed.

    Doing it twice changes nothing.
    """
    try:
        with transaction.atomic():
            Document.objects.get_or_create(room_id=room.id, seq=seq, defaults={"title": title, "author": author})
    except IntegrityError:  # the room is gone
        return


def document_of(user: int, slug: str, seq: int) -> tuple[RoomRef, Document]:
    """Return a note that the person may see, without its large columns.

    Raises NoSuchRoom, NotAMember, NoSuchTarget.
    """
    room = access.to_ref(access.membership_in(user, slug).room)
    found = _documents(room, seq).first()
    if found is None:  # the process ended between the event and the row
        event = thing(user, slug, seq, Note)
        document_create(room, seq, event.state.title, event.author.id)
        found = _documents(room, seq).get()
    return room, found


def _documents(room: RoomRef, seq: int) -> Any:
    return Document.objects.filter(room_id=room.id, seq=seq).defer(*LARGE)


def whole(document: int) -> tuple[bytes, int]:
    """Return all of a document as one update, and the number of its newest part."""
    snapshot, number = Document.objects.filter(id=document).values_list("snapshot", "snapshot_upto").get()
    above = Update.objects.filter(document=document, number__gt=number).order_by("number")
    updates = list(above.values_list("number", "data")[:MANY])
    parts = [bytes(data) for _, data in updates]
    if snapshot:
        parts.insert(0, bytes(snapshot))
    return crdt.merged(parts), updates[-1][0] if updates else number


def note_open(user: int, slug: str, seq: int, vector: bytes) -> Opened:
    """Read the updates that a client with this state vector lacks.

    Raises as document_of does, and BadFrame.
    """
    _, document = document_of(user, slug, seq)
    update, number = whole(document.id)
    try:
        return Opened(crdt.missing(update, vector), crdt.vector_of(update), number)
    except crdt.Unreadable as error:
        raise BadFrame(f"vector is no state vector: {error}") from error


def updates_store(room: RoomRef, seq: int, batch: Sequence[Incoming]) -> Stored:
    """Store updates in one transaction.

    The transaction checks membership, too. A full note stores only updates that make its text shorter.
    """
    refused = [_refusal(one.data) for one in batch]
    with transaction.atomic():
        found = Document.objects.select_for_update().defer(*LARGE).filter(room_id=room.id, seq=seq).first()
        if found is None:
            missing = NoSuchTarget(_("there is no note at {seq} in {room}", seq=seq, room=room.slug))
            return Stored([missing] * len(batch), full=False)
        writers = {user for _, user in access.writers_among([(room.id, one.author.id) for one in batch])}
        now, results, new = timezone.now(), list[int | FrameRefused](), list[Update]()
        space = _Space(found)
        for one, refusal in zip(batch, refused, strict=True):
            if refusal is None and one.author.id not in writers:
                refusal = refusal_of(room)  # noqa: PLW2901
            if refusal is not None or one.data == crdt.NOTHING:
                results.append(refusal or 0)
                continue
            effect = space.take(one.data)
            if effect is crdt.Effect.NOTHING:
                results.append(0)
            elif effect is crdt.Effect.OTHER:
                results.append(TooLong(_("the note is full; start another one")))
            else:
                found.head += 1
                new.append(Update(document=found, number=found.head, author=one.author.id, at=now, data=one.data))
                results.append(found.head)
        if new:
            Update.objects.bulk_create(new)
            Document.objects.filter(id=found.id).update(head=found.head, size=space.size, edited_at=now)
    return Stored(results, space.full)


class _Space:
    """The space that a note has for more updates."""

    def __init__(self, document: Document) -> None:
        self._document = document.id
        self.size = document.size
        # Whether an update came for which there was none.
        self.full = False
        self._added: list[bytes] = []
        # Made by the first update that does not fit.
        self._text: crdt.TextLength | None = None

    def take(self, update: bytes) -> crdt.Effect | None:
        """Count an update that may be stored.

        Return None if there is room for it. Without room return its effect: SHORTER may be stored, too.
        """
        if self.size + len(update) <= settings.LIMIT_NOTE_BYTES:
            if self._text is not None:
                self._text.add(update)
            self._added.append(update)
            self.size += len(update)
            return None
        self.full = True
        if self.size + len(update) > FULL_TIMES * settings.LIMIT_NOTE_BYTES:
            return crdt.Effect.OTHER
        try:
            if self._text is None:
                self._text = crdt.TextLength(crdt.merged([whole(self._document)[0], *self._added]))
            effect = self._text.effect_of(update)
        except crdt.Unreadable:
            return crdt.Effect.OTHER
        if effect is crdt.Effect.SHORTER:
            self.size += len(update)
        return effect


def _refusal(update: bytes) -> FrameRefused | None:
    try:
        crdt.check(update)
    except crdt.Unreadable as error:
        return BadFrame(f"update is no update of a document: {error}")
    return None


def heads(places: list[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """Map (room, note) to the number of its newest update."""
    rooms, seqs = {room for room, _ in places}, {seq for _, seq in places}
    rows = Document.objects.filter(room__in=rooms, seq__in=seqs).values_list("room_id", "seq", "head")
    wanted = set(places)
    return {(room, seq): head for room, seq, head in rows if (room, seq) in wanted}


def read(room: RoomRef, seq: int, after: int) -> list[tuple[int, dict[str, Any]]]:
    """Return the pushes of the updates above `after`.

    If some of them are in a snapshot only, return one push of the whole document.
    """
    document = Document.objects.filter(room_id=room.id, seq=seq).defer(*LARGE).first()
    if document is None:
        return []
    above = Update.objects.filter(document=document, number__gt=after)
    if above.aggregate(first=Min("number"))["first"] != after + 1:
        update, number = whole(document.id)
        return [(number, push(room, seq, number, Person(0, ""), update))]
    rows = list(above.order_by("number").values_list("number", "author", "data")[:MANY])
    names = names_of({author for _, author, _ in rows})
    return [(number, push(room, seq, number, Person(author, names[author]), bytes(data))) for number, author, data in rows]


def push(room: RoomRef, seq: int, number: int, author: Person, update: bytes) -> dict[str, Any]:
    """Return the frame that brings an update to those who have the note open."""
    fields = {"room": room.slug, "note": seq, "number": number, "from": author.wire(), "update": update}
    return {"type": "note.update", **fields}


def text(user: int, slug: str, seq: int) -> tuple[str, str]:
    """Return (title, text) as they are now.

    Raises as document_of does.
    """
    _, document = document_of(user, slug, seq)
    return document.title, crdt.text_of(whole(document.id)[0])


def note_list(user: int, slug: str, *, before: int | None, limit: int, query: str) -> dict[str, Any]:
    """List a room's notes, the newest first.

    `query`: words of the title or the text, also parts of words.
    """
    room = access.membership_in(user, slug).room
    found = Document.objects.filter(room=room).order_by("-seq")
    if before is not None:
        found = found.filter(seq__lt=before)
    found = _holding(found, query, limit + 1)
    rows = list(found.values_list("seq", "title", "author", "at", "edited_at")[: limit + 1])
    names = names_of({row[2] for row in rows})
    notes = [
        {"note": seq, "title": title, "from": {"id": author, "name": names[author]}, "at": at, "edited_at": edited_at}
        for seq, title, author, at, edited_at in rows[:limit]
    ]
    return {"room": room.slug, "notes": notes, "more": len(rows) > limit}


def notes_holding(rooms: list[int], terms: Sequence[str], most: int) -> list[tuple[int, int, str]]:
    """Find the terms in the latest notes of these rooms, for the search.

    It is a `core.features.SearchedTexts`.
    """
    latest = list(Document.objects.filter(room__in=rooms).order_by("-id").values_list("id", flat=True)[:SEARCHED])
    if not latest:
        return []
    found = _holding(Document.objects.filter(id__in=latest).order_by("-id"), " ".join(terms), most)
    return [
        (room, seq, "\n".join(filter(None, (title, text))))
        for room, seq, title, text in found.values_list("room_id", "seq", "title", "text")[:most]
    ]


class _Normalized(Func):
    """A text in Unicode's form NFKC, on Postgres."""

    template = "normalize(%(expressions)s, NFKC)"
    output_field = TextField()


def _holding(notes: QuerySet[Document], query: str, most: int) -> QuerySet[Document]:
    """Return the first notes that hold all words of the query in their title or text."""
    words = words_of(query)
    if not words:
        return notes
    if connection.vendor == "postgresql":
        # Postgres folds a text more slowly than it reads it: 500 pages took half of a search's time.
        notes = notes.annotate(name=_Normalized(F("title")))
        is_folded = Q(folded_upto=F("snapshot_upto"))
        for word in unicodedata.normalize("NFC", query).split()[:MOST_WORDS]:
            forms = {word, folded(word)}
            in_name = reduce(or_, (Q(name__icontains=form) for form in forms))
            in_text = reduce(or_, (Q(text__icontains=form) for form in forms))
            notes = notes.filter(in_name | (is_folded & Q(folded__contains=folded(word))) | (~is_folded & in_text))
        return notes
    # SQLite knows the case of ASCII letters only.
    found: list[int] = []
    for number, title, text in notes.values_list("id", "title", "text")[:MOST_COMPARED].iterator(COMPARED_AT_ONCE):
        if holds(words, title, text):
            found.append(number)
        if len(found) == most:
            break
    return notes.filter(id__in=found)


def names_of(people: set[int]) -> dict[int, str]:
    """Name people; the name of a deleted account is empty."""
    known: dict[int, str] = dict(User.objects.filter(id__in=people).values_list("id", "username"))
    return {person: known.get(person, "") for person in people}
