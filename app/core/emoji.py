"""What one emoji is."""

from __future__ import annotations

import regex

# Code points: the longest flags and families have 14 of them and fewer.
MAX_POINTS = 32

# UTS 51, ED-17, without the list of sequences in fonts: pictographs with a variation selector, a skin tone, a keycap
# or tags, joined by ZWJ; flags of two letters; keycaps. An arbitrary grapheme would take any number of marks along.
_ELEMENT = (
    r"\p{Extended_Pictographic}(?:\uFE0F|\p{Emoji_Modifier})?+\u20E3?+"
    r"(?:[\U000E0020-\U000E007E]++\U000E007F)?+"
)
_EMOJI = regex.compile(rf"\p{{Regional_Indicator}}{{2}}|[0-9#*]\uFE0F?\u20E3|{_ELEMENT}(?:\u200D{_ELEMENT})*+")


def is_emoji(text: str) -> bool:
    """Say whether `text` is one emoji and nothing else."""
    return len(text) <= MAX_POINTS and _EMOJI.fullmatch(text) is not None
