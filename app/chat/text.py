"""What a reader sees of a message's text. The page has the same rule: frontend/src/ui/text.ts."""

from __future__ import annotations

from core.lookalikes import is_blank


def is_visible(text: str) -> bool:
    """Say whether a reader sees anything of `text`: not of blanks, default ignorables or the empty Braille pattern."""
    # Nearly every message begins with a printable character of ASCII, and the pattern costs 5 µs.
    return "!" <= text[:1] <= "~" or not is_blank(text)
