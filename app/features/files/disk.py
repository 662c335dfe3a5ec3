"""Files on the disk, below settings.MEDIA_ROOT.

A file is `ab/ab12…`, its thumbnail `ab/ab12….webp`, and an upload in progress `incoming/ab12…`. All functions here wait for
the disk: call them through `run`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

import structlog
from django.conf import settings

from core.errors import Unavailable
from core.words import words as _
from features.files.errors import NoSpace

P = ParamSpec("P")
R = TypeVar("R")

logger = structlog.get_logger(__name__)

INCOMING = "incoming"
THREADS = 4
# Left free for the database and the logs of a machine with one disk.
FREE = 256 * 2**20
# Of 256 directories; the background worker looks at so many a run.
DIRECTORIES_A_RUN = 32
_HEX = "0123456789abcdef"


@functools.cache
def _threads() -> ThreadPoolExecutor:
    """Threads of its own: a slow disk delays nothing but files."""
    return ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="files")


async def run(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function in a thread.

    Raises NoSpace or Unavailable if the disk refuses.
    """
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads(), functools.partial(function, *args, **kwargs))
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise NoSpace(_("the disk of this server is full")) from error
        if isinstance(error, FileNotFoundError):
            raise
        logger.exception("the disk of the files failed", directory=str(settings.MEDIA_ROOT))
        raise Unavailable(_("the disk of this server cannot be used now")) from error


def path_of(code: str) -> Path:
    return Path(settings.MEDIA_ROOT) / code[:2] / code


def thumbnail_of(code: str) -> Path:
    return path_of(code).with_name(f"{code}.webp")


class Incoming:
    """A file that comes in.

    It is at its place only when all of it is on the disk; nothing of an unfinished one stays.
    """

    def __init__(self, code: str) -> None:
        self.code = code
        self.size = 0
        self._digest = hashlib.sha256()
        self._part = Path(settings.MEDIA_ROOT) / INCOMING / code
        # Whoever gives up does not wait for a thread that still writes.
        self._lock = threading.Lock()
        self._closed = False
        self._part.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._part.open("xb", buffering=0)
        self._part.chmod(0o600)

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()

    def write(self, data: bytes | bytearray) -> None:
        with self._lock:
            if self._closed:
                return
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]
            self._digest.update(data)
            self.size += len(data)

    def finish(self) -> Path:
        """Write the file through to the disk and put it in its place.

        Returns the path.
        """
        target = path_of(self.code)
        with self._lock:
            os.fsync(self._file.fileno())
            self._file.close()
            self._closed = True
            target.parent.mkdir(exist_ok=True)
            self._part.replace(target)
        sync_directory(target.parent)
        return target

    def discard(self) -> None:
        """Remove all of it, also after `finish`."""
        with self._lock:
            self._closed = True
            self._file.close()
            self._part.unlink(missing_ok=True)
        remove(self.code)


def sync_directory(directory: Path) -> None:
    number = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def remove(code: str) -> None:
    path_of(code).unlink(missing_ok=True)
    thumbnail_of(code).unlink(missing_ok=True)


def later(function: Callable[[], None]) -> None:
    """Call a function in a thread, to its end even if the caller is cancelled."""
    _threads().submit(function).add_done_callback(_note)


def _note(done: object) -> None:
    error = done.exception()  # type: ignore[attr-defined]
    if error is not None:
        logger.error("the rest of an upload could not be removed", error=str(error))


def free() -> int:
    """Bytes that files may still take of the disk."""
    root = Path(settings.MEDIA_ROOT)
    root.mkdir(parents=True, exist_ok=True)
    return shutil.disk_usage(root).free - FREE


def sweep_incoming(older_than_s: float) -> int:
    """Remove the remains of killed processes.

    Returns how many.
    """
    return sum(_remove_old(path, older_than_s) for path in _files(Path(settings.MEDIA_ROOT) / INCOMING))


def stored_codes(run_number: int, older_than_s: float) -> Iterator[list[str]]:
    """Yield the codes of old files in the directories of a run.

    Files count as old after `older_than_s`. Eight runs cover all directories.
    """
    names = [first + second for first in _HEX for second in _HEX]
    begin = run_number * DIRECTORIES_A_RUN % len(names)
    for name in names[begin : begin + DIRECTORIES_A_RUN]:
        codes = {path.name.partition(".")[0] for path in _files(Path(settings.MEDIA_ROOT) / name) if _age(path) > older_than_s}
        if codes:
            yield sorted(codes)


def _files(directory: Path) -> list[Path]:
    with contextlib.suppress(FileNotFoundError):
        return list(directory.iterdir())
    return []


def _age(path: Path) -> float:
    with contextlib.suppress(FileNotFoundError):
        return time.time() - path.stat().st_mtime
    return 0.0


def _remove_old(path: Path, older_than_s: float) -> bool:
    if _age(path) <= older_than_s:
        return False
    path.unlink(missing_ok=True)
    return True
