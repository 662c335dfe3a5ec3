"""Takes an upload in as it arrives: to the disk, never into memory."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import multipart
from django.conf import settings

from core.bodies import Body
from core.errors import BadFrame, Empty, FrameRefused, RateLimited
from core.per_loop import PerLoop
from core.refusals import note_refusal
from core.words import words as _
from db import database
from features.files import content, disk, names, services
from features.files.errors import TooLarge, TooSlow
from features.files.metrics import RECEIVED, UPLOADS
from features.files.services import MIB, Received

# Uploads at a time of one person, and of all in this process.
AT_ONCE_EACH = 4
AT_ONCE = 64
# From the first byte to the last one, and between two pieces.
WITHIN_S = 900.0
STALL_S = 30.0
# What a form adds around its file.
FORM = 64 * 1024
# Bytes that are written at a time.
PIECE = 256 * 1024
# How long a count of all files holds.
COUNTED_S = 20.0


def most_bytes() -> int:
    return settings.LIMIT_FILE_MB * MIB + FORM


class _Uploads:
    """What one process takes in at the moment."""

    def __init__(self) -> None:
        self.of: Counter[int] = Counter()
        self.stored, self._counted_at = 0, -COUNTED_S

    @contextmanager
    def slot(self, person: int) -> Iterator[None]:
        if self.of[person] >= AT_ONCE_EACH or self.of.total() >= AT_ONCE:
            note_refusal("uploads", f"user {person}", "")
            raise RateLimited(_("too many uploads at a time; wait for their end"), retry_after=5)
        self.of[person] += 1
        try:
            yield
        finally:
            self.of[person] -= 1
            if not self.of[person]:
                del self.of[person]

    async def count(self) -> int:
        if time.monotonic() - self._counted_at > COUNTED_S:
            self.stored = await database.run(services.stored_bytes)
            self._counted_at = time.monotonic()
        return self.stored


_uploads = PerLoop(_Uploads)


async def receive(person: int, slug: str, body: Body) -> dict[str, Any]:
    """Store the only file of a form and return its description for clients.

    It is on the disk, and its row committed, when this returns; else nothing stays. Raises FrameRefused.
    """
    result = "failed"
    try:
        with _uploads().slot(person):
            found = await _receive(person, slug, body)
        result = "stored"
    except FrameRefused:
        result = "refused"
        raise
    except asyncio.CancelledError:
        result = "aborted"
        raise
    finally:
        UPLOADS.labels(result).inc()
    return found


async def _receive(person: int, slug: str, body: Body) -> dict[str, Any]:
    room = await database.run_for(person, services.may_upload, person, slug)
    services.refuse_full(await _uploads().count(), await disk.run(disk.free))
    incoming = await disk.run(disk.Incoming, secrets.token_hex(16))
    try:
        name = await _read_form(body, incoming)
        path = await disk.run(incoming.finish)
        found = await content.examine(path, name, disk.thumbnail_of(incoming.code))
        received = Received(incoming.code, name, incoming.size, incoming.digest, found)
        stored = await database.run_for(person, lambda: services.upload_store(room=room, owner=person, received=received))
    except BaseException:
        # Also when the client has gone, and this may not wait.
        disk.later(incoming.discard)
        raise
    _uploads().stored += incoming.size
    return stored


async def _read_form(body: Body, incoming: disk.Incoming) -> str:
    """Write the file of a form to the disk and return its name."""
    name: str | None = None
    waiting = bytearray()
    try:
        parser = _parser_of(body.content_type)
        while data := await _next(body):
            for event in parser.parse(data):
                if isinstance(event, multipart.MultipartSegment):
                    name = _name_of(event, name)
                elif event:
                    waiting += event
            if len(waiting) >= PIECE:
                await _write(incoming, waiting)
                waiting = bytearray()
        parser.close()
    except multipart.MultipartError as error:
        raise BadFrame(_("the body is no complete form with one file: {reason}", reason=str(error))) from error
    if name is None:
        raise BadFrame(_("the form has no file"))
    await _write(incoming, waiting)
    if not incoming.size:
        raise Empty(_("the file is empty"))
    return name


def _parser_of(content_type: str) -> multipart.PushMultipartParser:
    kind, options = multipart.parse_options_header(content_type)
    if kind.lower() != "multipart/form-data" or not options.get("boundary"):
        raise BadFrame(_("send one file as multipart/form-data"))
    return multipart.PushMultipartParser(options["boundary"], max_segment_count=1, strict=True)


def _name_of(segment: multipart.MultipartSegment, before: str | None) -> str:
    if segment.filename is None:
        raise BadFrame(_("the form has a field without a file name; send one file and nothing else"))
    if before is not None:
        raise BadFrame(_("send one file at a time"))
    return names.clean(segment.filename)


async def _next(body: Body) -> bytes:
    try:
        async with asyncio.timeout(STALL_S):
            return await body.read()
    except TimeoutError as error:
        raise TooSlow(_("the upload stood still for {seconds} seconds", seconds=int(STALL_S))) from error


async def _write(incoming: disk.Incoming, data: bytearray) -> None:
    if incoming.size + len(data) > settings.LIMIT_FILE_MB * MIB:
        raise TooLarge(_("a file has at most {most} MiB", most=settings.LIMIT_FILE_MB))
    await disk.run(incoming.write, data)
    RECEIVED.inc(len(data))
