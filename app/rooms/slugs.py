"""Room slugs, case-folded and NFC-normalised.

A slug has 1 to 64 letters of any script, digits, `_` and `-`.
"""

from __future__ import annotations

import functools
import re
import unicodedata

from core.lookalikes import hidden_objection, look_of, mark_objection, script_objection, without_ignorables
from core.words import words as _

MAX = 64
# Case folding may turn one letter into three. A stored slug maps to itself, so that it can be looked up directly.
MAX_STORED = 3 * MAX
_DIRECT = re.compile(r"dm-[0-9]+-[0-9]+")


def normalised(slug: str) -> str | None:
    """Return the slug in its stored form; None if it is invalid."""
    found = folded(slug)
    return found if 1 <= len(found) <= MAX_STORED and all(map(_allowed, found)) else None


def folded(text: str) -> str:
    """Return a slug, or a part of one, in the form that slugs are stored in."""
    return unicodedata.normalize("NFC", _composed(text).casefold())


def objection_to(slug: str) -> str | None:
    """Return why no new room may have this slug; None if it is fine.

    Whether it is taken is checked elsewhere.
    """
    composed, normal = _composed(slug), normalised(slug)
    if normal is None or len(composed) > MAX:
        return _("1 to {most} letters, digits, _ and -", most=MAX)
    if looks_direct(normal):
        return _("names like dm-1-2 are kept for direct rooms")
    return hidden_objection(slug) or mark_objection(composed) or script_objection(composed)


def _composed(slug: str) -> str:
    return unicodedata.normalize("NFC", without_ignorables(slug))


def _allowed(character: str) -> bool:
    # Many scripts need marks within letters (Devanagari vowels); digits of any script count as digits.
    return character in "_-" or unicodedata.category(character)[0] in "LM" or unicodedata.category(character) == "Nd"


def direct(one: int, other: int) -> str:
    return f"dm-{min(one, other)}-{max(one, other)}"


def is_direct(slug: str) -> bool:
    """Return whether this is, or normalises to, a direct room's slug."""
    return _DIRECT.fullmatch(normalised(slug) or "") is not None


def looks_direct(slug: str) -> bool:
    """Return whether this looks like a direct room's slug."""
    return _direct_look().fullmatch(look_of(slug)) is not None


@functools.cache
def _direct_look() -> re.Pattern[str]:
    digits = f"[{''.join(re.escape(look_of(digit)) for digit in '0123456789')}]+"
    return re.compile(f"{re.escape(look_of('dm-'))}{digits}{re.escape(look_of('-'))}{digits}")
