"""Uploads: permissions, storage, the part of a message.

Synchronous, in a database thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet, Subquery, Sum
from django.utils import timezone

from chat.publish import message_of
from core.errors import BadFrame, Forbidden, NoSuchTarget, RateLimited
from core.words import words as _
from features.files.content import Content
from features.files.errors import NoSpace
from features.files.metrics import STORED
from features.files.models import Upload
from rooms import access

MIB = 2**20
DAY = timedelta(days=1)
# Files of one message.
MOST = 10


class Received(NamedTuple):
    """A file that lies on the disk."""

    code: str
    name: str
    size: int
    digest: str
    content: Content


def may_upload(user: int, slug: str) -> int:
    """Return the id of a room into which the person may bring a file now.

    Raises NoSuchRoom, NotAMember, Forbidden, RateLimited above the person's bytes a day, or NoSpace above the installation's.
    """
    membership = access.membership_in(user, slug)
    if membership.silenced:
        raise Forbidden(_("this person does not take messages from you"))
    today = _bytes_of(Upload.objects.filter(owner_id=user, at__gt=timezone.now() - DAY))
    if settings.LIMIT_FILES_MB_PER_DAY and today >= settings.LIMIT_FILES_MB_PER_DAY * MIB:
        most = settings.LIMIT_FILES_MB_PER_DAY
        raise RateLimited(_("you have uploaded {most} MiB within a day, which is the limit", most=most), retry_after=3_600)
    room: int = membership.room_id
    return room


def stored_bytes() -> int:
    """Count the bytes of all files."""
    found = _bytes_of(Upload.objects.all())
    STORED.set(found)
    return found


def refuse_full(stored: int, free: int) -> None:
    """Raise NoSpace when the installation takes no more files."""
    if settings.LIMIT_FILES_TOTAL_MB and stored >= settings.LIMIT_FILES_TOTAL_MB * MIB:
        raise NoSpace(_("all files together have reached the limit of this server"))
    if free < settings.LIMIT_FILE_MB * MIB:
        raise NoSpace(_("the disk of this server is full"))


def _bytes_of(uploads: QuerySet[Upload]) -> int:
    return int(uploads.aggregate(all=Sum("size"))["all"] or 0)


def upload_store(*, room: int, owner: int, received: Received) -> dict[str, Any]:
    """Keep the row of a file that is on the disk; return its description for clients."""
    content = received.content
    upload = Upload.objects.create(
        code=received.code,
        room_id=room,
        owner_id=owner,
        name=received.name,
        size=received.size,
        type=content.type,
        digest=received.digest,
        width=content.width,
        height=content.height,
        has_thumbnail=content.has_thumbnail,
    )
    return shown(upload)


def shown(upload: Upload) -> dict[str, Any]:
    """Return the part of a message about a file."""
    found: dict[str, Any] = {"id": upload.code, "name": upload.name, "size": upload.size, "type": upload.type}
    if upload.width is not None:
        found |= {"width": upload.width, "height": upload.height}
    found["url"] = f"/api/files/{upload.code}/{quote(upload.name, safe='')}"
    if upload.has_thumbnail:
        found["thumbnail"] = f"/api/thumbnails/{upload.code}"
    return found


def uploads_claim(*, room: int, owner: int, key: str, codes: Sequence[str]) -> list[dict[str, Any]]:
    """Bind files to the message of a key, and return its part about them.

    A repeated call changes nothing.

    Raises NoSuchTarget for a file that is not this person's or of another room, BadFrame for a file of another message.
    """
    if len(set(codes)) < len(codes):
        raise BadFrame(_("a file is given twice"))
    with transaction.atomic():
        mine = Upload.objects.select_for_update().filter(code__in=codes, room_id=room, owner_id=owner)
        found = {upload.code: upload for upload in mine.order_by("id")}
        if len(found) < len(codes):
            raise NoSuchTarget(_("there is no such file of yours in this room; upload it again"))
        if any(upload.key not in {"", key} for upload in found.values()):
            raise BadFrame(_("a file belongs to one message"))
        Upload.objects.filter(code__in=codes).update(key=key)
    return [shown(found[code]) for code in codes]


def with_message() -> QuerySet[Any, Any]:
    """Return the uploads with `seq`, `sent_at` and `gone` of their messages."""
    message = message_of(room="room_id", author="owner_id", key="key")
    columns = {"seq": "seq", "sent_at": "at", "gone": "deleted"}
    return Upload.objects.annotate(**{name: Subquery(message.values(column)) for name, column in columns.items()})


def messages_with_files(rooms: list[int], most: int) -> list[tuple[int, int]]:
    """Return (room, seq) of the latest messages with files in these rooms."""
    sent = with_message().filter(room_id__in=rooms, gone=False).exclude(key="").order_by("-id")
    return list(dict.fromkeys(sent.values_list("room_id", "seq")[:most]))


def upload_read(user: int, code: str) -> Upload:
    """Return a file that the person may read.

    Once its message is there, every member of its room may read it; before that only its owner. In every other case it raises
    NoSuchTarget: a stranger learns nothing.
    """
    upload: Any = with_message().select_related("room").filter(code=code, room__closed=False).first()
    missing = NoSuchTarget(_("there is no such file"))
    if upload is None or upload.room_id is None or not access.members_among([(upload.room_id, user)]):
        raise missing
    is_unsent = upload.seq is None and upload.owner_id == user
    if not is_unsent and (upload.seq is None or upload.gone):
        raise missing
    found: Upload = upload
    return found


def upload_list(user: int, slug: str, *, before: str | None, limit: int) -> dict[str, Any]:
    """Return a page of a room's files, the newest first.

    `before`: the id of the last file of the page before.

    Raises NoSuchRoom, NotAMember, or NoSuchTarget for a `before` that is no file of the room.
    """
    room = access.membership_in(user, slug).room
    sent = with_message().filter(room=room, gone=False).exclude(key="").select_related("owner")
    if before is not None:
        last = Upload.objects.filter(code=before, room=room).values_list("id", flat=True).first()
        if last is None:
            raise NoSuchTarget(_("there is no such file"))
        sent = sent.filter(id__lt=last)
    page = list(sent.order_by("-id")[: limit + 1])
    files = [
        {**shown(one), "seq": one.seq, "from": {"id": one.owner_id, "name": one.owner.username}, "at": one.sent_at}
        for one in page[:limit]
    ]
    return {"room": room.slug, "files": files, "more": len(page) > limit}
