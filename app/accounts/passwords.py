"""Check passwords, and prepare them for hashing.

The OpaqueString profile of RFC 8265 makes the spellings of all keyboards match.
"""

from __future__ import annotations

import unicodedata

from django.contrib.auth.password_validation import MinimumLengthValidator
from django.utils.translation import gettext as _


class LongEnough(MinimumLengthValidator):
    """Django's, with a message that its catalogues lack."""

    def get_error_message(self) -> str:
        return _("This password is too short. It must contain at least {least} characters.").format(least=self.min_length)


def prepared(password: str) -> str:
    """Return the password composed (NFC), with ASCII spaces.

    Letters keep their case and width.
    """
    if password.isascii():
        return password
    spaced = "".join(" " if unicodedata.category(character) == "Zs" else character for character in password)
    return unicodedata.normalize("NFC", spaced)
