"""What a file is, by its content."""

from __future__ import annotations

import asyncio
import functools
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import puremagic
import structlog

from core.per_loop import PerLoop
from features.files import disk

logger = structlog.get_logger(__name__)

HEAD = 4_096
PICTURE = Path(__file__).with_name("picture.py")
PICTURE_S = 20.0
PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"})
# What browsers show in a page without running anything of it.
INLINE = PICTURES | {
    "audio/mpeg", "audio/mp4", "audio/ogg", "audio/wav", "audio/flac", "audio/aac",
    "video/mp4", "video/webm", "video/ogg", "video/quicktime",
}  # fmt: skip
_SAME = {
    "audio/wave": "audio/wav", "audio/x-wav": "audio/wav", "audio/x-flac": "audio/flac", "audio/x-m4a": "audio/mp4",
    "audio/x-opus+ogg": "audio/ogg", "audio/mp3": "audio/mpeg", "audio/x-aac": "audio/aac", "video/x-m4v": "video/mp4",
    "application/ogg": "audio/ogg", "audio/m4a": "audio/mp4",
}  # fmt: skip
BYTES, TEXT = "application/octet-stream", "text/plain"


class Content(NamedTuple):
    type: str
    # Of a picture, as it is shown.
    width: int | None = None
    height: int | None = None
    has_thumbnail: bool = False


# One picture at a time in each process: a second core is for people.
_slot = PerLoop(lambda: asyncio.Semaphore(1))


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="pictures")


async def examine(path: Path, name: str, thumbnail: Path) -> Content:
    """Return the type of a file; make a thumbnail of a picture.

    Unknown content is bytes.
    """
    kind = await disk.run(type_of, path, name)
    if kind not in PICTURES:
        return Content(kind)
    async with _slot():
        work = functools.partial(_measure, path, thumbnail)
        return await asyncio.get_running_loop().run_in_executor(_threads(), work)


def type_of(path: Path, name: str) -> str:
    """Return the media type of a file's first bytes.

    Among types that begin alike the name decides.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    try:
        found = [(match.extension, _SAME.get(match.mime_type, match.mime_type)) for match in puremagic.magic_string(head)]
    except (puremagic.PureError, ValueError):
        found = []
    if head.startswith(b"OggS"):  # one container for both
        return "video/ogg" if b"theora" in head else "audio/ogg"
    ending = Path(name).suffix.lower()
    for extension, kind in found:
        if kind and extension == ending:
            return kind
    return next((kind for _, kind in found if kind), TEXT if _is_text(head) else BYTES)


def _is_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return len(head) == HEAD and error.start > HEAD - 4  # a letter was cut
    return True


def _measure(path: Path, thumbnail: Path) -> Content:
    command = [sys.executable, "-I", str(PICTURE), str(path), str(thumbnail)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=PICTURE_S, check=False, env={}, stdin=subprocess.DEVNULL)  # noqa: S603
        found = json.loads(done.stdout) if done.returncode == 0 else None
    except (subprocess.TimeoutExpired, ValueError):
        found = None
    if found is None:
        thumbnail.unlink(missing_ok=True)
        logger.info("a picture could not be read", file=path.name)
        return Content(BYTES)
    if found.get("thumbnail"):
        thumbnail.chmod(0o600)
    return Content(found["type"], found["width"], found["height"], bool(found.get("thumbnail")))
