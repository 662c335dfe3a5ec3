"""What a file is, by its content; thumbnails."""

import asyncio
from pathlib import Path

import pytest
from PIL import Image

from features.files import content
from features.files.content import Content
from tests.features.files import samples

pytestmark = pytest.mark.once

EXIF_GPS = samples.GPS


def examined(folder: Path, data: bytes, name: str = "a.png") -> tuple[Content, Path]:
    path, thumbnail = folder / "one", folder / "one.webp"
    path.write_bytes(data)
    return asyncio.run(content.examine(path, name, thumbnail)), thumbnail


@pytest.mark.parametrize(
    ("kind", "type_"), [("PNG", "png"), ("JPEG", "jpeg"), ("GIF", "gif"), ("WEBP", "webp"), ("AVIF", "avif")]
)
def test_picture_is_measured_whatever_its_name(kind: str, type_: str, tmp_path: Path) -> None:
    found, thumbnail = examined(tmp_path, samples.picture(kind), "notes.txt")
    assert found == Content(f"image/{type_}", 80, 60, has_thumbnail=True)
    with Image.open(thumbnail) as small:
        assert (small.format, small.size) == ("WEBP", (80, 60))


def test_photo_is_turned_and_its_place_is_left_out(tmp_path: Path) -> None:
    found, thumbnail = examined(tmp_path, samples.photo(), "photo.jpg")
    assert (found.width, found.height) == (1200, 1600)
    with Image.open(thumbnail) as small:
        assert small.size == (480, 640)
        assert not small.getexif()
        assert not {"exif", "xmp"} & set(small.info)
    assert b"GPS" not in thumbnail.read_bytes()


def test_animation_has_a_still_thumbnail(tmp_path: Path) -> None:
    found, thumbnail = examined(tmp_path, samples.animation(), "a.gif")
    assert found == Content("image/gif", 40, 30, has_thumbnail=True)
    with Image.open(thumbnail) as small:
        assert getattr(small, "n_frames", 1) == 1


def test_bomb_is_measured_and_never_decoded(tmp_path: Path) -> None:
    data = samples.bomb()
    assert len(data) < 200_000
    found, thumbnail = examined(tmp_path, data)
    assert found == Content("image/png", 30_000, 30_000)
    assert not thumbnail.exists()


@pytest.mark.parametrize(
    ("data", "name", "type_"),
    [
        (samples.HTML, "a.png", "text/html"),
        (samples.SVG, "a.png", "image/svg+xml"),
        (samples.TEXT.encode(), "a.png", "text/plain"),
        (b"\x00\x01\x02\x03" * 9, "a.png", "application/octet-stream"),
        (samples.picture()[:40], "a.png", "application/octet-stream"),
        (b"%PDF-1.7\n", "a.pdf", "application/pdf"),
        (b"PK\x03\x04" + b"\0" * 30, "a.zip", "application/zip"),
        (b"\0\0\0\x20ftypisom" + b"\0" * 40, "a.mp4", "video/mp4"),
        (b"OggS" + b"\0" * 40, "a.ogg", "audio/ogg"),
        (b"ID3\x03\0\0\0" + b"\0" * 40, "a.mp3", "audio/mpeg"),
        (b"RIFF\0\0\0\0WAVEfmt ", "a.wav", "audio/wav"),
    ],
)
def test_type_follows_the_content(data: bytes, name: str, type_: str, tmp_path: Path) -> None:
    assert examined(tmp_path, data, name)[0] == Content(type_)


def test_name_does_not_make_a_script_a_picture(tmp_path: Path) -> None:
    for data in (samples.HTML, samples.SVG, b"GIF89a/*<script>*/", b"\x89PNG\r\n\x1a\n<script>"):
        found, thumbnail = examined(tmp_path, data, "cat.gif")
        assert found.type not in content.INLINE
        assert not thumbnail.exists()
