"""A file whose owner deletes it while it is read."""

import io
from pathlib import Path
from typing import IO, Any

import pytest

from features.files import serving
from ops.backup import archive

pytestmark = pytest.mark.once


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "ab" / "abcd"
    path.parent.mkdir()
    path.write_bytes(bytes(range(256)) * 1000)
    return path


@pytest.fixture
def deleted(picture: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is deleted as soon as it is open."""
    opened = Path.open

    def open_and_delete(self: Path, *arguments: Any, **options: Any) -> IO[Any]:
        file = opened(self, *arguments, **options)
        self.unlink()
        return file

    monkeypatch.setattr(Path, "open", open_and_delete)
    return picture


def test_backup_holds_a_file_deleted_meanwhile(deleted: Path, tmp_path: Path) -> None:
    stream = io.BytesIO()
    writer = archive.Writer(stream)
    writer.add_json(archive.HEADER, {"format": archive.FORMAT})
    writer.add_files(tmp_path)
    writer.finish()
    assert not deleted.exists()
    stream.seek(0)
    _, manifest = archive.verify(stream)
    assert [*manifest.files] == ["ab/abcd"]


def test_download_has_a_file_deleted_meanwhile(deleted: Path) -> None:
    file, size = serving._open(deleted)
    with file:
        assert (size, len(file.read())) == (256_000, 256_000)
