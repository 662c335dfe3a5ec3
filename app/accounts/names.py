"""Compare names, and refuse unsuitable new ones."""

from __future__ import annotations

import unicodedata

from core.lookalikes import hidden_objection, mark_objection, script_objection, without_ignorables

MAX_LENGTH = 64
SYMBOLS = "@.+-_"
RULES = f"Up to {MAX_LENGTH} letters, digits and {' '.join(SYMBOLS)} without spaces. Ada and ada are the same name."


def normalized(name: str) -> str:
    """Return the name in its stored form: composed (NFKC), without surrounding blanks."""
    return unicodedata.normalize("NFKC", name).strip()


def key_of(name: str) -> str:
    """Return the form in which names are compared.

    Without case, unseen characters and spelling variants.

    Computed here and stored in a column, because databases disagree about case: SQLite knows only ASCII's, and Postgres
    maps a dotless i to I in UPPER, but I to i in LOWER.
    """
    return unicodedata.normalize("NFKC", without_ignorables(normalized(name)).casefold())


def objection_to(name: str) -> str | None:
    """Return why a normalized name is refused for a new account; None if it is fine.

    Whether it is taken is checked elsewhere.
    """
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
