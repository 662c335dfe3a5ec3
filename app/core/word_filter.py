"""Tell whether a text holds all words of a question.

They may be in any case, in any spelling variant, and parts of longer words. Pure.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

LONGEST = 200
# Further words are ignored: a question of LONGEST characters could hold a hundred.
MOST_WORDS = 10


def folded(text: str) -> str:
    """Return the text without case and spelling variants (NFKC).

    Full-width letters become ordinary ones.
    """
    return unicodedata.normalize("NFKC", text).casefold()


def words_of(query: str) -> list[str]:
    return folded(query).split()[:MOST_WORDS]


def holds(words: Sequence[str], *texts: str) -> bool:
    """Whether each word is in one of the texts."""
    whole = "\n".join(map(folded, texts))
    return all(word in whole for word in words)
