"""The archive: a gzipped tar that is written and read as a stream.

Its pieces fit into memory.

header.json              format, engine, time, applied migrations
env                      the stack's .env, if given
tables/NAME/columns      JSON list                    | database/000001 …  the SQLite file
tables/NAME/000001 …     rows, in COPY's text format  | secret_key
files/PATH               what people uploaded
manifest.json            rows and SHA-256 of each table and file; the last member, so a cut archive has none
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

Members = Iterator[tuple[str, IO[bytes]]]
Other = Callable[[str, IO[bytes]], None]

FORMAT = 1
PIECE = 4 * 2**20
LEVEL = 3
HEADER, MANIFEST, ENV, SECRET_KEY = "header.json", "manifest.json", "env", "secret_key"
# Small members that are read whole.
MOST_WHOLE = 64 * 2**20


class Damaged(Exception):
    """The archive is no backup, was cut short, or was changed."""


@dataclass
class Manifest:
    # Table → rows and SHA-256 of its rows in COPY's text format, in the order of the primary key.
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    # Sequence → its last value.
    sequences: dict[str, int] = field(default_factory=dict)
    # Path → SHA-256.
    files: dict[str, str] = field(default_factory=dict)
    # SHA-256 of the SQLite file.
    database: str = ""

    def summary(self) -> str:
        rows = sum(table["rows"] for table in self.tables.values())
        return f"{len(self.tables)} tables, {rows:,} rows, {len(self.files)} files"


class Writer:
    def __init__(self, stream: IO[bytes]) -> None:
        self._output = _Output(stream)
        # Python 3.11 takes no level for tarfile's own compressing stream.
        self._gzip = gzip.GzipFile(fileobj=self._output, mode="wb", compresslevel=LEVEL)
        self._tar = tarfile.open(fileobj=self._gzip, mode="w|")  # noqa: SIM115 - closed by `finish`
        self.manifest = Manifest()

    def add(self, name: str, data: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(data), 0o600
        self._tar.addfile(member, io.BytesIO(data))

    def add_json(self, name: str, value: Any) -> None:
        self.add(name, json.dumps(value).encode())

    def add_pieces(self, folder: str, chunks: Iterable[bytes | memoryview]) -> str:
        """Add a stream of unknown length as numbered members; return its SHA-256."""
        digest, waiting, number = hashlib.sha256(), bytearray(), 0
        for chunk in chunks:
            digest.update(chunk)
            waiting += chunk
            while len(waiting) >= PIECE:
                number += 1
                self.add(f"{folder}/{number:06}", bytes(waiting[:PIECE]))
                del waiting[:PIECE]
        if waiting:
            self.add(f"{folder}/{number + 1:06}", bytes(waiting))
        return digest.hexdigest()

    def add_files(self, root: Path) -> None:
        """Add every file below `root`.

        One that vanishes meanwhile was deleted by its owner.
        """
        for path in sorted(root.rglob("*")) if root.is_dir() else ():
            try:
                file = path.open("rb") if path.is_file() and not path.is_symlink() else None
            except FileNotFoundError:
                file = None
            if file is None:
                continue
            with file:
                name = path.relative_to(root).as_posix()
                member = tarfile.TarInfo(f"files/{name}")
                # Of the open file: the name may be gone by now.
                member.size, member.mode = os.fstat(file.fileno()).st_size, 0o600
                hashing = _Hashing(file)
                self._tar.addfile(member, hashing)
                self.manifest.files[name] = hashing.digest.hexdigest()

    def finish(self) -> None:
        self.add_json(MANIFEST, vars(self.manifest))
        self.close()

    def close(self) -> None:
        self._tar.close()
        self._gzip.close()

    def abandon(self) -> None:
        """Write no more: tarfile would, when it is collected, and print the error again."""
        self._output.abandoned = True


class _Output:
    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self.abandoned = stream, False

    def write(self, data: Any) -> int:
        return len(data) if self.abandoned else self._stream.write(data)

    def flush(self) -> None:
        if not self.abandoned:
            self._stream.flush()


class _Hashing:
    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.digest = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


@contextmanager
def _reading() -> Iterator[None]:
    """Raise Damaged for the errors of a broken archive."""
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError) as error:
        raise Damaged(f"it is no backup, or was cut short: {error}") from error


def members(stream: IO[bytes]) -> Members:
    """Return names and contents, in order, each to be read before the next.

    Raises Damaged.
    """
    with _reading():
        tar = tarfile.open(fileobj=stream, mode="r|gz")  # noqa: SIM115 - closed below
    with tar:
        while True:
            with _reading():
                member = tar.next()
                content = tar.extractfile(member) if member else None
            if member is None:
                return
            if content is None or not _is_plain(member.name):
                raise Damaged(f"{member.name!r} does not belong into a backup")
            yield member.name, content


def _is_plain(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def pieces(content: IO[bytes]) -> Iterator[bytes]:
    """Read a member in pieces that fit into memory.

    Raises Damaged.
    """
    while True:
        with _reading():
            data = content.read(PIECE)
        if not data:
            return
        yield data


def read_json(content: IO[bytes]) -> Any:
    """Read a small member.

    Raises Damaged.
    """
    with _reading():
        return json.loads(content.read(MOST_WHOLE))


def read_header(found: Members) -> dict[str, Any]:
    """Read the first member.

    Raises Damaged for anything else and for a format of another release.
    """
    name, content = next(found, ("", io.BytesIO()))
    if name != HEADER:
        raise Damaged("it is no backup of Hubbub")
    header: dict[str, Any] = read_json(content)
    if header.get("format") != FORMAT:
        raise Damaged(f"its format is {header.get('format')}, and this release reads {FORMAT}")
    return header


def verify(stream: IO[bytes]) -> tuple[dict[str, Any], Manifest]:
    """Read the whole archive and compare each checksum.

    Return header and manifest; raises Damaged.
    """
    found = members(stream)
    header = read_header(found)
    manifest: Manifest | None = None
    digests: dict[str, Any] = {}
    for name, content in found:
        if name == MANIFEST:
            manifest = Manifest(**read_json(content))
            continue
        digest = digests.setdefault(_whole(name), hashlib.sha256())
        for data in pieces(content):
            digest.update(data)
    if manifest is None:
        raise Damaged("it was cut short")
    _compare(manifest, {name: digest.hexdigest() for name, digest in digests.items()})
    return header, manifest


def _whole(name: str) -> str:
    """Return the name of the whole that a member is a piece of."""
    kind, _, rest = name.partition("/")
    if kind == "tables" and not rest.endswith("/columns"):
        return name.rpartition("/")[0]
    return kind if kind == "database" else name


def _compare(manifest: Manifest, found: dict[str, str]) -> None:
    nothing = hashlib.sha256().hexdigest()
    expected = {f"tables/{name}": table["sha256"] for name, table in manifest.tables.items() if "sha256" in table}
    expected |= {f"files/{name}": digest for name, digest in manifest.files.items()}
    if manifest.database:
        expected["database"] = manifest.database
    for name, digest in expected.items():
        if found.get(name, nothing) != digest:
            raise Damaged(f"{name} differs from its backup")
