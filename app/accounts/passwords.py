"""Passwords as they are hashed: the OpaqueString profile of RFC 8265, so that every keyboard's spelling is one password."""

from __future__ import annotations

import unicodedata


def prepared(password: str) -> str:
    """Return the password composed (NFC), each kind of space an ASCII one; letters keep their case and width."""
    if password.isascii():
        return password
    spaced = "".join(" " if unicodedata.category(character) == "Zs" else character for character in password)
    return unicodedata.normalize("NFC", spaced)
