"""The marker at the start of a message's text: `<key>@<intended>#<digest> …`.

It tells receivers, who do not see the key, which message it is and when its author intended to send it, in nanoseconds of the
run's clock (clock.py). Latencies run from that moment, so a stalled server is charged for messages that had to wait for it.
The digest covers the text, its room and its author: any receiver can check a message without having seen the
original. Pure.
"""

import zlib
from collections.abc import Mapping
from typing import Any

_WORDS = "the quick brown fox jumps over a lazy dog before its tea gets cold and "


def text(key: str, intended: float, letters: int, *, room: str, author: int) -> str:
    """Make a text of so many letters: marker and words; never shorter than its marker."""
    head = f"{key}@{int(intended * 1e9)}"
    missing = max(0, letters - len(head) - len("#12345678 "))
    words = (_WORDS * (missing // len(_WORDS) + 1))[:missing].rstrip()
    return f"{head}#{_digest(head, words, room, author)} {words}".rstrip()


def key_of(event: Mapping[str, Any]) -> str | None:
    """Return the key in an event's marker; None without a marker."""
    if event["type"] != "message":
        return None
    key, at, _ = str(event["text"]).partition("@")
    return key if at and " " not in key else None


def intended(text: str) -> float:
    """Return the intended send time of a marked text, in seconds of the run's clock."""
    return int(text.partition("@")[2].partition("#")[0]) / 1e9


def intact(event: Mapping[str, Any]) -> bool:
    """Return whether a message's text, room and author match its marker."""
    mark, _, words = str(event["text"]).partition(" ")
    head, _, digest = mark.partition("#")
    return digest == _digest(head, words, event["room"], event["from"]["id"])


def _digest(head: str, words: str, room: str, author: int) -> str:
    return f"{zlib.crc32(f'{room} {author} {head} {words}'.encode()):08x}"
