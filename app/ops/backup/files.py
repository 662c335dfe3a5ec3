"""Uploaded files below settings.MEDIA_ROOT, and the embedded run's secret key."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from django.conf import settings

from ops.backup.archive import SECRET_KEY, pieces


def write_member(name: str, content: IO[bytes]) -> None:
    """Write a file of the archive below MEDIA_ROOT, or the secret key.

    Other members are left alone.
    """
    if name.startswith("files/"):
        _write(settings.MEDIA_ROOT / name.removeprefix("files/"), content)
    elif name == SECRET_KEY and settings.EMBEDDED:
        _write(settings.DATA_DIR / SECRET_KEY, content)


def _write(path: Path, content: IO[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        path.chmod(0o600)
        for data in pieces(content):
            file.write(data)
