"""Random HTTP and WebSocket bytes, cut, mixed and joined.

The same for the same seed.
"""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
TEXTS = [
    b"ping", b'{"type":"ping","id":1}', b'{"type":"room.join","room":"lobby"}', b'{"type":"typing","room":"lobby"}', b"",
    b"\xff\xfe", b"\xed\xa0\x80", "永".encode()[:-1], b"{" * 500, b"x" * 70_000, b'{"message":"hi"}', b"\0",
]  # fmt: skip

PATHS = [b"/ws/", b"/ws/", b"/ws/chat/lobby/", b"/infra/ws", b"/nowhere", b"/ws/?token=x", b"/ws/%ff", b"/w\xc3\xa9"]
ODD = [b"Transfer-Encoding: chunked", b"Content-Length: 4", b"Upgrade: h2c", b"X: " + b"y" * 9_000, b" folded", b"Host: b"]
CHUNKED = [
    b"5\r\nhello\r\n0\r\n\r\n",
    b"ffffffffffffffff\r\n",
    b"5;ext=" + b"x" * 5_000 + b"\r\nhello\r\n0\r\n\r\n",
]


@dataclass
class Case:
    """One connection's segments, their pauses, and whether it then reads."""

    segments: list[tuple[float, bytes]]
    waits: bool


def frame(dice: random.Random) -> bytes:
    """Return a frame, mostly well formed."""
    payload = dice.choice(TEXTS)
    first = dice.choice([0x81, 0x81, 0x81, 0x01, 0x00, 0x80, 0x89, 0x8A, 0x88, 0x82, 0x09, dice.randrange(256)])
    if first & 0x0F >= 8 and dice.random() < 0.8:
        payload = payload[:125]
    if first & 0x0F == 8 and dice.random() < 0.7:
        payload = struct.pack("!H", dice.choice([1000, 1001, 1005, 1006, 1012, 3000, 4999, 0, 65_535])) + payload[:100]
    size = len(payload)
    if dice.random() < 0.05:
        size = dice.choice([0, 1, 126, 127, 2**16, 2**31, 2**62, size + dice.randrange(50)])
    masked = 0x80 if dice.random() < 0.95 else 0
    if size < 126:
        head = struct.pack("!BB", first, masked | size)
    elif size < 65_536 and dice.random() < 0.9:
        head = struct.pack("!BBH", first, masked | 126, size)
    else:
        head = struct.pack("!BBQ", first, masked | 127, size)
    mask = dice.randbytes(4) if masked else b""
    body = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload)) if mask else payload
    return head + mask + body


def handshake(dice: random.Random, token: str) -> bytes:
    """Return a handshake, mostly a valid one."""
    path = dice.choice(
        [b"/ws/", b"/ws/chat/lobby/", b"/infra/ws", b"/ws/", b"/nowhere", b"/ws/?token=x", b"/ws/%ff", b"/w\xc3\xa9"]
    )
    lines = [
        b"GET " + path + b" HTTP/1.1",
        b"Host: 127.0.0.1",
        b"Connection: Upgrade",
        b"Upgrade: websocket",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: " + KEY,
    ]
    if dice.random() < 0.9:
        lines.append(b"Authorization: Token " + token.encode())
    for _ in range(dice.choice([0, 0, 0, 1, 2])):
        odd = [
            b"Transfer-Encoding: chunked",
            b"Content-Length: 4",
            b"Upgrade: h2c",
            b"X: " + b"y" * 9_000,
            b" folded",
            b"Host: b",
        ]
        lines.insert(dice.randrange(1, len(lines)), dice.choice(odd))
    if dice.random() < 0.1:
        del lines[dice.randrange(len(lines))]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def request(dice: random.Random) -> bytes:
    """Return an HTTP request, sometimes a smuggling attempt."""
    body = dice.choice([b"", b"{}", b"a" * 2_000_000, dice.randbytes(300)])
    length = dice.choice([str(len(body)).encode(), b"0", b"-1", b"99999999999999999999", b"5, 6"])
    lengths = [
        b"Content-Length: " + length,
        b"Transfer-Encoding: chunked",
        b"Content-Length: 4\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        b"Transfer-Encoding : chunked",
    ]
    method = dice.choice([b"GET", b"POST", b"HEAD", b"PUT", b"OPTIONS", b"PRI", b"get", b"CONNECT"])
    target = dice.choice([b"/api/me", b"/", b"/api/signup", b"*", b"http://elsewhere/", b"/" + b"a" * 10_000, b"/%00", b"//"])
    version = dice.choice([b"HTTP/1.1"] * 5 + [b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9.9", b"http/1.1"])
    chunked = dice.choice(
        [b"5\r\nhello\r\n0\r\n\r\n", b"ffffffffffffffff\r\n", b"5;ext=" + b"x" * 5_000 + b"\r\nhello\r\n0\r\n\r\n", body]
    )
    end = b"\r\n\r\n" if dice.random() < 0.9 else b"\n\n"
    return method + b" " + target + b" " + version + b"\r\nHost: 127.0.0.1\r\n" + dice.choice(lengths) + end + chunked


def broken(dice: random.Random, data: bytes) -> bytes:
    """Return the bytes with one fault."""
    if not data:
        return data
    at = dice.randrange(len(data))
    changes: list[Callable[[], bytes]] = [
        lambda: data[:at],
        lambda: data[:at] + dice.randbytes(dice.randrange(1, 9)) + data[at:],
        lambda: data[:at] + bytes([data[at] ^ (1 << dice.randrange(8))]) + data[at + 1 :],
        lambda: data + data,
        lambda: data[at:] + data[:at],
    ]
    return dice.choice(changes)()


def case(dice: random.Random, token: str) -> Case:
    """Return the bytes of one connection."""
    kind = dice.random()
    if kind < 0.75:
        parts = [handshake(dice, token)] + [frame(dice) for _ in range(dice.choice([1, 2, 3, 5, 40, 400]))]
    elif kind < 0.95:
        parts = [request(dice) for _ in range(dice.choice([1, 2, 30]))]
    else:
        parts = [dice.randbytes(dice.choice([1, 100, 100_000]))]
    if dice.random() < 0.4:
        chosen = dice.randrange(len(parts))
        parts[chosen] = broken(dice, parts[chosen])
    whole = b"".join(parts)
    cuts = sorted(dice.randrange(len(whole) + 1) for _ in range(dice.choice([0, 0, 1, 2, 6])))
    if kind < 0.75 and dice.random() < 0.5:  # the frames follow the handshake in their own segment
        cuts = sorted({*cuts, len(parts[0])})
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    pauses = [dice.choice([0.0, 0.0, 0.001, 0.01]) for _ in pieces]
    return Case(list(zip(pauses, pieces, strict=True)), waits=dice.random() < 0.7)


def seconds() -> float:
    """Return FUZZ_SECONDS, by default a minute."""
    return float(os.environ.get("FUZZ_SECONDS") or 60)


def seed() -> int:
    """Return FUZZ_SEED, by default a random one."""
    return int(os.environ.get("FUZZ_SEED") or random.SystemRandom().randrange(2**32))
