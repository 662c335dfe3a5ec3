"""The HTTP calls for the files of a room, and for their thumbnails.

POST and GET /api/rooms/<room>/files, GET /api/files/<id>/<name>, GET /api/thumbnails/<id>.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from ninja import Router, Schema
from pydantic import Field

from accounts.http_auth import authenticated, identified, user_id
from core.api_types import refuses
from core.bodies import body_of
from core.errors import NoSuchTarget
from core.pace import Pace
from core.per_loop import PerLoop
from core.words import words as _
from db import database
from features.files import disk, services, uploads
from features.files.serving import File, answer

rooms = Router(tags=["files"], auth=authenticated)
router = Router(tags=["files"])
Code = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
Limit = Annotated[int, Field(ge=1, le=100)]
# A page of pictures is a burst of small answers.
PICTURES = 8
_pace = PerLoop(lambda: Pace(settings.LIMIT_CALLS_PER_S * PICTURES))
FORM = {
    "required": True,
    "content": {
        "multipart/form-data": {
            # A field of any other name is taken, too.
            "schema": {
                "type": "object",
                "properties": {"file": {"type": "string", "format": "binary"}},
                "required": ["file"],
                "additionalProperties": False,
            }
        }
    },
}
CONTENT = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
SERVED = {
    "responses": {"200": {"description": "The content", **CONTENT}, "206": {"description": "The asked range", **CONTENT}},
    **refuses(416),
}


class FileOut(Schema):
    id: str
    name: str
    size: int
    type: str
    url: str
    width: int | None = None
    height: int | None = None
    thumbnail: str | None = None


class Sender(Schema):
    id: int
    name: str


class SentFile(FileOut):
    seq: int
    sender: Annotated[Sender, Field(alias="from")]
    at: datetime


class Files(Schema):
    room: str
    files: list[SentFile]
    more: bool


class Limits(Schema):
    # Bytes of one file, and files of one message.
    size: int
    count: int


async def _viewer(request: HttpRequest) -> tuple[Any, str]:
    found = await identified(request)
    await _pace().wait(found[0].id)
    return found


@rooms.post(
    "/{slug}/files",
    response={201: FileOut},
    exclude_unset=True,
    summary="Upload a file",
    openapi_extra={"requestBody": FORM, **refuses(408, 507)},
)
async def upload(request: HttpRequest, slug: str) -> tuple[int, dict[str, Any]]:
    """One file as multipart/form-data; its `id` goes into `files` of `message.send`.

    Unsent files are removed after a day.
    """
    return 201, await uploads.receive(user_id(request), slug, body_of(request))


@rooms.get("/{slug}/files", response=Files, exclude_unset=True, by_alias=True, summary="Files of a room, the newest first")
async def file_list(request: HttpRequest, slug: str, before: Code | None = None, limit: Limit = 50) -> dict[str, Any]:
    """`before`: the `id` of the last file of the page before."""
    me = user_id(request)
    return await database.run_for(me, lambda: services.upload_list(me, slug, before=before, limit=limit))


@router.get("/files", response=Limits, auth=authenticated, summary="Limits of uploads")
async def limits(request: HttpRequest) -> dict[str, Any]:
    return {"size": settings.LIMIT_FILE_MB * services.MIB, "count": services.MOST}


@router.get("/files/{code}/{name}", auth=_viewer, summary="A file's content", openapi_extra=SERVED)
async def file_read(request: HttpRequest, code: Code, name: str) -> HttpResponseBase:
    """For members of its room.

    The name is for people; the `id` alone counts. Ranges and `If-None-Match` are answered.
    """
    me = user_id(request)
    upload = await database.run_for(me, services.upload_read, me, code)
    file = File(disk.path_of(code), upload.name, upload.type, f'"{upload.digest}"')
    return await answer(request, file)


@router.get("/thumbnails/{code}", auth=_viewer, summary="A picture's thumbnail", openapi_extra=SERVED)
async def thumbnail_read(request: HttpRequest, code: Code) -> HttpResponseBase:
    """Send a picture's thumbnail as WebP, at most 640 pixels wide and high.

    It is turned upright and carries no metadata of the camera.
    """
    me = user_id(request)
    upload = await database.run_for(me, services.upload_read, me, code)
    if not upload.has_thumbnail:
        raise NoSuchTarget(_("there is no such file"))
    file = File(disk.thumbnail_of(code), f"{upload.name}.webp", "image/webp", f'"{upload.digest}-thumbnail"')
    return await answer(request, file)
