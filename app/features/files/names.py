"""The name under which a file is shown and saved.

Pure.
"""

from __future__ import annotations

import unicodedata

import regex

LONGEST = 120
# Bytes of its UTF-8 form: what file systems take.
LONGEST_BYTES = 200
_SUFFIX = 20
# Control characters, and what turns the direction of writing: `photo\u202egpj.exe` would read photoexe.jpg. Characters of private
# use and unassigned ones show nothing that a person could recognise.
_HIDDEN = regex.compile(r"[\p{Cc}\p{Co}\p{Cs}\p{Cn}\p{Zl}\p{Zp}\p{Bidi_Control}\uFEFF]+")
_BLANKS = regex.compile(r"\s+")
# Names of devices on Windows, with any extension.
_DEVICE = regex.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


def clean(name: str) -> str:
    """Return the last part of a path, without characters that hide or break a name.

    Return `file` if nothing is left.
    """
    last = regex.split(r"[\\/]", name)[-1]
    shown = _BLANKS.sub(" ", _HIDDEN.sub("", unicodedata.normalize("NFC", last)))
    shown = regex.sub(r'[<>:"|?*]', "-", shown).strip(" .")
    if not shown or _DEVICE.fullmatch(shown):
        shown = f"file-{shown}" if shown else "file"
    return _shortened(shown)


def _shortened(name: str) -> str:
    """Keep the ending: it is what people know a file by."""
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix) > _SUFFIX:
        stem, suffix = name, ""
    else:
        suffix = f".{suffix}"
    while len(stem) + len(suffix) > LONGEST or len(f"{stem}{suffix}".encode()) > LONGEST_BYTES:
        stem = stem[:-1]
    return f"{stem.rstrip()}{suffix}"
