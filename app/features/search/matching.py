"""Match a text with a question's terms: the spans, the score and the excerpt.

Its functions are pure.
"""

from __future__ import annotations

from typing import NamedTuple

from features.search.query import lowered
from features.search.words import is_unspaced

# Code points of a result's text; a longer message is cut around its first highlight.
EXCERPT = 500
BEFORE_HIGHLIGHT = 120
MOST_HIGHLIGHTS = 50
WHOLE, START, INSIDE = 3, 2, 1

Span = tuple[int, int]


class Match(NamedTuple):
    # The larger the better: whole words before beginnings of words before parts of them.
    score: int
    # Non-overlapping (start, end) in code points, in order.
    spans: list[Span]


def match(text: str, terms: tuple[str, ...]) -> Match | None:
    """Return where all terms are; None if one of them is missing."""
    low = lowered(text)
    score, spans = 0, []
    for term in terms:
        places = _places(low, term)
        if not places:
            return None
        score += max(_fit(low, place) for place in places)
        spans += places
    if len(terms) > 1 and " ".join(terms) in low:
        score += len(terms)
    return Match(score, _merged(spans))


def excerpt(text: str, spans: list[Span]) -> tuple[str, list[Span]]:
    """Return the text as shown and the spans within it."""
    if len(text) <= EXCERPT:
        return text, spans
    begin = max(0, min((spans[0][0] if spans else 0) - BEFORE_HIGHLIGHT, len(text) - EXCERPT))
    end = begin + EXCERPT
    lead, tail = "…" if begin else "", "…" if end < len(text) else ""
    inside = [(max(start, begin), min(stop, end)) for start, stop in spans if start < end and stop > begin]
    moved = [(start - begin + len(lead), stop - begin + len(lead)) for start, stop in inside]
    return f"{lead}{text[begin:end]}{tail}", moved


def _places(low: str, term: str) -> list[Span]:
    found: list[Span] = []
    at = low.find(term)
    while at >= 0 and len(found) < MOST_HIGHLIGHTS:
        found.append((at, at + len(term)))
        at = low.find(term, at + len(term))
    return found


def _fit(low: str, place: Span) -> int:
    start, end = place
    begins = not start or _is_edge(low[start - 1], low[start])
    ends = end == len(low) or _is_edge(low[end - 1], low[end])
    if begins and ends:
        return WHOLE
    return START if begins else INSIDE


def _is_edge(left: str, right: str) -> bool:
    """Whether a word ends between two characters.

    Scripts without blanks between words have an edge everywhere.
    """
    return not left.isalnum() or not right.isalnum() or is_unspaced(left) or is_unspaced(right)


def _merged(spans: list[Span]) -> list[Span]:
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found[:MOST_HIGHLIGHTS]
