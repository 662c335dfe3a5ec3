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
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


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
    whole = _Wanted(0, size)
    wanted = _range_of(request, file, size) or whole
    if wanted.first >= wanted.end:
        opened.close()
        raise BadRange(size)
    headers["Content-Length"] = str(wanted.end - wanted.first)
    if wanted != whole:
        headers["Content-Range"] = f"bytes {wanted.first}-{wanted.end - 1}/{size}"
    pieces = _pieces(opened, _Wanted(0, 0) if is_head(request) else wanted)
    return StreamingHttpResponse(pieces, status=200 if wanted == whole else 206, headers=headers)


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
    found = _RANGE.fullmatch(request.headers.get("Range", "").replace(" ", ""))
    if found is None or found[0] == "bytes=-" or request.headers.get("If-Range", file.tag) != file.tag:
        return None
    first, last = found[1], found[2]
    if not first:
        return _Wanted(max(0, size - int(last[:20])), size)
    if last and int(last[:20]) < int(first[:20]):
        return None
    return _Wanted(int(first[:20]), min(size, int(last[:20]) + 1) if last else size)


async def _pieces(file: IO[bytes], wanted: _Wanted) -> AsyncIterator[bytes]:
    with file:
        await disk.run(file.seek, wanted.first)
        left = wanted.end - wanted.first
        while left > 0 and (data := await disk.run(file.read, min(PIECE, left))):
            left -= len(data)
            SERVED.inc(len(data))
            yield data
