"""Files as people send them, and as attackers do."""

import io
import struct
import zlib
from typing import Any

import httpx
from PIL import Image

GPS = 0x8825
ORIENTATION = 0x0112


def picture(kind: str = "PNG", size: tuple[int, int] = (80, 60), color: str = "teal", **options: Any) -> bytes:
    """Return the bytes of a plain picture."""
    data = io.BytesIO()
    Image.new("RGB", size, color).save(data, kind, **options)
    return data.getvalue()


def photo(size: tuple[int, int] = (1600, 1200)) -> bytes:
    """Return a JPEG of a camera held upright, with the place where it was taken."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif.get_ifd(GPS)[1] = "N"
    exif.get_ifd(GPS)[2] = (52.0, 31.0, 12.0)
    data = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(data, "JPEG", exif=exif)
    return data.getvalue()


def animation() -> bytes:
    """Return a GIF of three frames."""
    frames = [Image.new("RGB", (40, 30), color) for color in ("red", "green", "blue")]
    data = io.BytesIO()
    frames[0].save(data, "GIF", save_all=True, append_images=frames[1:], duration=100)
    return data.getvalue()


def bomb(side: int = 30_000) -> bytes:
    """Return a PNG of a few kilobytes with `side` × `side` pixels.

    The header states that size, and the data has it.
    """
    rows = zlib.compressobj(9)
    row = b"\0" * (side // 8 + 2)
    body = b"".join(rows.compress(row) for _ in range(side)) + rows.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


HTML = b"<!DOCTYPE html><script>document.title = 'taken'</script>"
SVG = b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><script>document.title = 'taken'</script></svg>"
TEXT = "café, three lines\n" * 3


async def upload(
    http: httpx.AsyncClient, room: str, data: bytes, name: str = "a.png", type_: str = "image/png"
) -> httpx.Response:
    return await http.post(f"/api/rooms/{room}/files", files={"file": (name, data, type_)})


async def uploaded(http: httpx.AsyncClient, room: str, data: bytes, name: str = "a.png") -> dict[str, Any]:
    """Upload a file and return the server's answer."""
    answer = await upload(http, room, data, name)
    assert answer.status_code == httpx.codes.CREATED, answer.text
    found: dict[str, Any] = answer.json()
    return found
