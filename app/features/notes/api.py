"""/api/rooms/<room>/notes: list, export, versions."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import Field

from accounts.http_auth import authenticated, person_of
from core import api_types
from core.api_types import answers
from db import database
from features.notes import services, versions
from features.notes.services import Incoming
from features.notes.writer import writer
from rooms import access

router = Router(tags=["notes"], auth=authenticated)
Seq = Annotated[int, Field(ge=1, le=2**53)]
Number = Annotated[int, Field(ge=1, le=2**31 - 1)]
Limit = Annotated[int, Field(ge=1, le=200)]
Query = Annotated[str, Field(max_length=200, pattern="^[^\x00]*$")]


class NoteRow(msgspec.Struct):
    note: int
    title: str
    sender: api_types.Person = msgspec.field(name="from")
    at: datetime
    edited_at: datetime | None


class Notes(msgspec.Struct):
    room: str
    notes: list[NoteRow]
    more: bool


class NoteVersion(msgspec.Struct):
    version: int
    at: datetime
    authors: list[api_types.Person]


class NoteVersions(msgspec.Struct):
    room: str
    note: int
    versions: list[NoteVersion]
    more: bool


class NoteVersionText(NoteVersion):
    room: str
    note: int
    text: str


class NoteRestored(msgspec.Struct):
    room: str
    note: int
    version: int


@router.get("/{slug}/notes", summary="A room's notes, the newest first", openapi_extra=answers(Notes))
async def note_list(
    request: HttpRequest, slug: str, before: Seq | None = None, limit: Limit = 50, query: Query = ""
) -> dict[str, Any]:
    """List a room's notes, the newest first.

    `query`: words of the title or of the text. `before`: the last `note` of the page before.
    """
    me = person_of(request)
    return await database.run_for(me.id, services.note_list, me.id, slug, before=before, limit=limit, query=query)


@router.get("/{slug}/notes/{int:seq}.md", summary="A note's text as a file", openapi_extra=answers("text/markdown"))
async def note_text(request: HttpRequest, slug: str, seq: int) -> HttpResponse:
    me = person_of(request)
    title, text = await database.run_for(me.id, services.text, me.id, slug, seq)
    name = re.sub(r'[\\/:*?"<>|\x00-\x1f]+', "-", title).strip(" .-") or f"note-{seq}"
    answer = HttpResponse(text, content_type="text/markdown; charset=utf-8")
    answer["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name)}.md"
    return answer


@router.get(
    "/{slug}/notes/{int:seq}/versions", summary="A note's versions, the newest first", openapi_extra=answers(NoteVersions)
)
async def version_list(
    request: HttpRequest, slug: str, seq: int, before: Number | None = None, limit: Limit = 50
) -> dict[str, Any]:
    me = person_of(request)
    return await database.run_for(me.id, versions.version_list, me.id, slug, seq, before=before, limit=limit)


@router.get(
    "/{slug}/notes/{int:seq}/versions/{int:number}", summary="A version with its text", openapi_extra=answers(NoteVersionText)
)
async def version_read(request: HttpRequest, slug: str, seq: int, number: int) -> dict[str, Any]:
    me = person_of(request)
    return await database.run_for(me.id, versions.version_read, me.id, slug, seq, number)


@router.post(
    "/{slug}/notes/{int:seq}/versions/{int:number}/restore",
    summary="Give a note a version's text again",
    openapi_extra=answers(NoteRestored),
)
async def version_restore(request: HttpRequest, slug: str, seq: int, number: int) -> dict[str, Any]:
    """Give a note a version's text again, by an edit like any other.

    All who have the note open see it, and the text before becomes a version.
    """
    me = person_of(request)
    update = await database.run_for(me.id, versions.restoring_update, me.id, slug, seq, number)
    room = access.to_ref((await database.run_for(me.id, access.membership_in, me.id, slug)).room)
    await writer().submit(room, seq, Incoming(me, update))
    return {"room": room.slug, "note": seq, "version": number}
