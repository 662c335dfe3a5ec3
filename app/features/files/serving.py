"""A file as an HTTP answer, with ranges and validators.

Its headers keep the file from running anything.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, NamedTuple
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from core.api_types import is_head
from core.errors import NoSuchTarget
from core.words import words as _
from features.files import content, disk
from features.files.errors import BadRange
from features.files.metrics import SERVED

PIECE = 128 * 1024
# A browser asks again after that, and is answered without the content as long as it may see it.
FRESH_S = 300
# Nothing of it runs, for any type that a browser guesses.
POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"
# By RFC 9110: the unit in any case, one range in a list that may have empty members. Leading zeros count for nothing.
_RANGE = re.compile(r"(?i:bytes)=[ \t,]*(?:0*([0-9]+))?-(?:0*([0-9]+))?[ \t,]*")
# Beyond every file, and short enough for int().
_MOST_DIGITS = 20


class File(NamedTuple):
    path: Path
    name: str
    type: str
    # Names the content.
    tag: str


class _Wanted(NamedTuple):
    first: int
    # Behind the last byte.
    end: int


async def answer(request: HttpRequest, file: File) -> HttpResponseBase:
    """Return the file or the asked part of it.

    Raises NoSuchTarget when it is gone from the disk, BadRange for a part behind its end.
    """
    try:
        opened, size = await disk.run(_open, file.path)
    except FileNotFoundError as error:
        raise NoSuchTarget(_("there is no such file")) from error
    headers = headers_of(file)
    if {file.tag, "*"} & _tags(request.headers.get("If-None-Match", "")):
        opened.close()
        return HttpResponse(status=304, headers=headers)
    # Ranges are for GET alone.
    asked = None if is_head(request) else _range_of(request, file, size)
    wanted = asked or _Wanted(0, size)
    if wanted.first >= wanted.end:
        opened.close()
        raise BadRange(size)
    headers["Content-Length"] = str(wanted.end - wanted.first)
    if asked is not None:
        headers["Content-Range"] = f"bytes {wanted.first}-{wanted.end - 1}/{size}"
    pieces = _pieces(opened, _Wanted(0, 0) if is_head(request) else wanted)
    return StreamingHttpResponse(pieces, status=200 if asked is None else 206, headers=headers)


def headers_of(file: File) -> dict[str, str]:
    """Return what each answer says of a file.

    Only a list of types is shown in a page; all else is saved.
    """
    inline = file.type in content.INLINE
    return {
        "Content-Type": file.type if inline else content.BYTES,
        "Content-Disposition": f"{'inline' if inline else 'attachment'}; filename*=UTF-8''{quote(file.name, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": POLICY,
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": f"private, max-age={FRESH_S}, must-revalidate",
        # Of another person on the same browser.
        "Vary": "Cookie, Authorization",
        "ETag": file.tag,
        "Accept-Ranges": "bytes",
    }


def _open(path: Path) -> tuple[IO[bytes], int]:
    file = path.open("rb", buffering=0)
    # Of the open file: the name may be gone by now.
    return file, os.fstat(file.fileno()).st_size


def _tags(header: str) -> set[str]:
    return {tag.strip().removeprefix("W/") for tag in header.split(",")}


def _range_of(request: HttpRequest, file: File, size: int) -> _Wanted | None:
    """Return the requested part of the file; None means the whole file.

    The part is empty if the file ends before it. A request for several parts gets the whole file.
    """
    found = _RANGE.fullmatch(request.headers.get("Range", "").strip())
    if found is None or request.headers.get("If-Range", file.tag) != file.tag:
        return None
    first, last = (int(digits[:_MOST_DIGITS]) if digits else None for digits in found.groups())
    if first is None:
        return None if last is None else _Wanted(max(0, size - last), size)
    if last is not None and last < first:
        return None
    return _Wanted(first, size if last is None else min(size, last + 1))


async def _pieces(file: IO[bytes], wanted: _Wanted) -> AsyncIterator[bytes]:
    with file:
        await disk.run(file.seek, wanted.first)
        left = wanted.end - wanted.first
        while left > 0 and (data := await disk.run(file.read, min(PIECE, left))):
            left -= len(data)
            SERVED.inc(len(data))
            yield data
