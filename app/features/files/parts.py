"""The files of a message: what `message.send` takes, and what `message` carries."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from core.features import MessagePart
from db import database
from features.files import services
from realtime.publish import Person, RoomRef

FileId = Annotated[str, Meta(min_length=32, max_length=32, pattern="^[0-9a-f]+$")]
Count = Annotated[int, Meta(ge=1)]


class MessageFile(msgspec.Struct):
    """A file of a message."""

    id: FileId
    name: Annotated[str, Meta(max_length=200)]
    size: Count
    type: Annotated[str, Meta(max_length=100)]
    url: str
    # Of a picture.
    width: Count | UnsetType = UNSET
    height: Count | UnsetType = UNSET
    thumbnail: str | UnsetType = UNSET


async def prepare(room: RoomRef, author: Person, key: str, codes: list[str]) -> list[dict[str, Any]]:
    claim = lambda: services.uploads_claim(room=room.id, owner=author.id, key=key, codes=codes)  # noqa: E731
    return await database.run_for(author.id, claim)


def summary(files: list[dict[str, Any]]) -> str:
    return ", ".join(file["name"] for file in files)


FILES = MessagePart(
    name="files",
    takes=Annotated[list[FileId], Meta(max_length=services.MOST)],
    shows=Annotated[list[MessageFile], Meta(min_length=1, max_length=services.MOST)],
    prepare=prepare,
    summary=summary,
    places=services.messages_with_files,
)
