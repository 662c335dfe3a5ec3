"""Prepare passwords for hashing: RFC 8265's OpaqueString profile, so that all keyboards' spellings match."""

from __future__ import annotations

import unicodedata


def prepared(password: str) -> str:
    """Return the password composed (NFC), with ASCII spaces.

    Letters keep their case and width.
    """
    if password.isascii():
        return password
    spaced = "".join(" " if unicodedata.category(character) == "Zs" else character for character in password)
    return unicodedata.normalize("NFC", spaced)
