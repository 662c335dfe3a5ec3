"""Room slugs: 1 to 64 letters of any script, digits, `_` and `-`; case-folded and NFC-normalised."""

from __future__ import annotations

import re
import unicodedata

MAX = 64
_DIRECT = re.compile(r"dm-[0-9]+-[0-9]+")


def normalised(slug: str) -> str | None:
    """The slug as it is stored, or None when it is no slug."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", slug).casefold())
    return folded if 1 <= len(folded) <= MAX and all(map(_allowed, folded)) else None


def _allowed(character: str) -> bool:
    # Marks belong to the letters of many scripts (Devanagari vowels); digits of any script count as digits.
    return character in "_-" or unicodedata.category(character)[0] in "LM" or unicodedata.category(character) == "Nd"


def direct(one: int, other: int) -> str:
    return f"dm-{min(one, other)}-{max(one, other)}"


def is_direct(slug: str) -> bool:
    """Whether this is, or normalises to, the name of a direct room."""
    return _DIRECT.fullmatch(normalised(slug) or "") is not None
