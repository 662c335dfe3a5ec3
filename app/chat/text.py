"""What a reader sees of a message's text.

The page has the same rule: frontend/src/ui/text.ts.
"""

from __future__ import annotations

from core.errors import Empty, TooLong
from core.lookalikes import is_blank
from core.words import Words
from core.words import words as _


def is_visible(text: str) -> bool:
    """Return whether a reader sees anything of `text`.

    Blanks, default ignorables and the empty Braille pattern are invisible.
    """
    # Nearly every message begins with a printable character of ASCII, and the pattern costs 5 µs.
    return "!" <= text[:1] <= "~" or not is_blank(text)


def check_text(name: Words, text: str, most: int) -> None:
    """Raise Empty or TooLong for a text of a thing: a question, an option, a title.

    The error calls the text by `name`.
    """
    if not is_visible(text):
        raise Empty(_("{name} is empty", name=name))
    if len(text) > most:
        raise TooLong(_("{name} has {count} characters, the limit is {most}", name=name, count=len(text), most=most))
