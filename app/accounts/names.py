"""When two names are the same name, and which new names are refused."""

from __future__ import annotations

import unicodedata

from core.lookalikes import hidden_objection, mark_objection, script_objection, without_ignorables

MAX_LENGTH = 64
SYMBOLS = "@.+-_"
RULES = f"Up to {MAX_LENGTH} letters, digits and {' '.join(SYMBOLS)} without spaces. Ada and ada are the same name."


def normalized(name: str) -> str:
    """Return the name as it is stored: composed (NFKC), without blanks around it."""
    return unicodedata.normalize("NFKC", name).strip()


def key_of(name: str) -> str:
    """What names are compared by: without case and unseen characters, one spelling of characters that look the same.

    Computed here and kept in a column, because databases disagree about case: to SQLite only ASCII has case, and to
    Postgres a dotless i is the lower case of I to UPPER but not to LOWER.
    """
    return unicodedata.normalize("NFKC", without_ignorables(normalized(name)).casefold())


def objection_to(name: str) -> str | None:
    """Say why a normalized name is refused for a new account, if it is; whether it is taken is asked elsewhere."""
    hidden = hidden_objection(name)
    for character in () if hidden else name:
        if not (character in SYMBOLS or unicodedata.category(character)[0] in "LM" or character.isdecimal()):
            return f"Use letters, digits and {' '.join(SYMBOLS)} only: {_described(character)} is none of them."
    found = hidden or mark_objection(name) or script_objection(name)
    return f"{found[0].upper()}{found[1:]}." if found else None


def _described(character: str) -> str:
    if character == " ":
        return "a space"
    return f"“{character}”" if character.isprintable() else f"U+{ord(character):04X}"
