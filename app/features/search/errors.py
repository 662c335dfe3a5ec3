"""Refusals of a question: the page says each code in its own words."""

from __future__ import annotations

from core.errors import BadFrame


class BadDate(BadFrame):
    code = "bad_date"


class BadFilter(BadFrame):
    code = "bad_filter"


class RepeatedFilter(BadFrame):
    code = "repeated_filter"


class TooManyWords(BadFrame):
    code = "too_many_words"


ERRORS = (BadDate, BadFilter, RepeatedFilter, TooManyWords)
