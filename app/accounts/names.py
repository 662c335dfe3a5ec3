"""When two names are the same name."""

from __future__ import annotations

import unicodedata


def key_of(name: str) -> str:
    """What names are compared by: without case, and with one spelling of characters that look the same.

    Computed here and kept in a column, because databases disagree about case: to SQLite only ASCII has case, and to
    Postgres a dotless i is the lower case of I to UPPER but not to LOWER.
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
