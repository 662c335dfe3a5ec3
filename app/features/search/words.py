"""The index's words: how a term is looked up among them.

Pure.

The index holds the words of a text as Postgres's `simple` configuration finds them. Scripts without blanks between words are
held as pairs of neighbouring characters, and the last one alone (migrations/0001_index.py).
"""

from __future__ import annotations

import re

# Thai to Khmer, kana, Han, Hangul. The same in migrations/0001_index.py.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_UNSPACED = re.compile(f"[{UNSPACED}]")
_PIECES = re.compile(rf"[{UNSPACED}]+|[^\W_{UNSPACED}]+")
# A part of a word of fewer letters is only found at the beginning of words, and in recent messages.
LEAST_PART = 3


def is_unspaced(character: str) -> bool:
    return _UNSPACED.match(character) is not None


def pieces(term: str) -> list[str]:
    """Return the runs of letters and digits of a term, each of one kind of script."""
    return _PIECES.findall(term)


def parts(terms: tuple[str, ...]) -> set[str]:
    """Return the pieces that may stand within a word of the index."""
    return {piece for term in terms for piece in pieces(term) if len(piece) >= LEAST_PART and not is_unspaced(piece[0])}


def tsquery(terms: tuple[str, ...], expanded: dict[str, list[str]]) -> str:
    """Return the query for the index, "" if the terms hold no letter or digit.

    `expanded`: words of the index that hold a piece, by piece.
    """
    return " & ".join(_term(term, expanded) for term in terms if pieces(term))


def _term(term: str, expanded: dict[str, list[str]]) -> str:
    found = " & ".join(_lookup(piece, expanded.get(piece, [])) for piece in pieces(term))
    # An address or a path is one word of the index.
    return found if " " in term or pieces(term) == [term] else f"({found} | {_quoted(term)}:*)"


def _lookup(piece: str, words: list[str]) -> str:
    if is_unspaced(piece[0]):
        pairs = [piece[index : index + 2] for index in range(len(piece) - 1)]
        return " & ".join(map(_quoted, pairs)) if pairs else f"{_quoted(piece)}:*"
    return "(" + " | ".join([f"{_quoted(piece)}:*", *(_quoted(word) for word in words)]) + ")"


def _quoted(word: str) -> str:
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"
