"""Detect names that look alike, by UTS 39 (Unicode Security Mechanisms).

Not used for messages.

The `regex` package knows the properties of characters; `confusable_homoglyphs` has Unicode's table of confusables.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from importlib import resources
from unicodedata import category, decimal, normalize

import msgspec
import regex

from core.words import words as _

MAX_LOOK = 255
MAX_MARKS = 4

_IGNORABLE = regex.compile(r"\p{Default_Ignorable_Code_Point}+")
# Joiners and variation selectors shape their neighbours in Persian, Hindi and emoji; other ignorables only hide.
_HIDDEN = regex.compile(r"[\p{Default_Ignorable_Code_Point}--[\u200c\u200d\ufe0e\ufe0f]]+", regex.V1)
_BLANK = regex.compile(r"[\s\p{Cc}\p{Default_Ignorable_Code_Point}\u2800]*+")
_SYMBOLS = regex.compile(r"[@.+_-]+")
_MARK_FLOOD = regex.compile(rf"[\p{{Mn}}\p{{Me}}]{{{MAX_MARKS + 1}}}")

# Scripts used together: UTS 39, table 1a of section 5.1. Latin may be added to each: "highly restrictive".
_TOGETHER = (
    frozenset({"Latin", "Han", "Hiragana", "Katakana"}),
    frozenset({"Latin", "Han", "Bopomofo"}),
    frozenset({"Latin", "Han", "Hangul"}),
)


def without_ignorables(text: str) -> str:
    """Return `text` without default ignorable characters (Unicode).

    They are invisible.
    """
    return text if text.isascii() else _IGNORABLE.sub("", text)


def shown_text(text: str) -> str:
    """Return a title or alias in its stored form: composed, one line, nothing hidden.

    Returns "" if nothing is visible.
    """
    text = " ".join(_HIDDEN.sub("", normalize("NFC", text)).split())
    return "" if is_blank(text) else text


def is_blank(text: str) -> bool:
    """Return whether `text` is invisible.

    That is: blanks, default ignorables, the empty Braille pattern.
    """
    return _BLANK.fullmatch(text) is not None


def look_of(name: str) -> str:
    """Return UTS 39's skeleton of a name, case-folded.

    Equal for names that look alike.
    """
    text = normalize("NFD", without_ignorables(normalize("NFKC", name)))
    return normalize("NFC", normalize("NFD", text.translate(_prototypes())).casefold())[:MAX_LOOK]


def hidden_objection(name: str) -> str | None:
    """Return the first invisible character of `name`, if any; look-ups ignore it."""
    found = None if name.isascii() else _IGNORABLE.search(name)
    return _("{character} cannot be seen: a name may not hold it", character=f"U+{ord(found[0][0]):04X}") if found else None


def mark_flood(text: str) -> bool:
    """Return whether a letter has so many marks that they cover the lines around it."""
    return _MARK_FLOOD.search(normalize("NFD", text)) is not None


def mark_objection(name: str) -> str | None:
    """Return why the marks of `name` are refused; None if they are fine."""
    if name and category(name[0])[0] == "M":
        return _("a name begins with a letter, not with a mark")
    return _("at most {most} marks may stand on a letter", most=MAX_MARKS) if mark_flood(name) else None


def script_objection(name: str) -> str | None:
    """Return why a word's mixture of scripts is refused; None if it is fine.

    Most mixtures imitate another word.
    """
    return next(filter(None, map(_word_objection, _SYMBOLS.split(name))), None)


def _word_objection(word: str) -> str | None:
    if word.isascii():
        return None
    found = [scripts for scripts in map(_scripts_of, word) if scripts]
    if found and not frozenset.intersection(*found) and not any(all(one & group for one in found) for group in _TOGETHER):
        return _("{scripts} letters do not go together in a word", scripts=" and ".join(_named(found)))
    zeros = {ord(character) - decimal(character) for character in word if category(character) == "Nd"}
    return _("digits of two scripts do not go together in a word") if len(zeros) > 1 else None


def _named(found: list[frozenset[str]]) -> Iterator[str]:
    """Yield a script of each letter, each script once."""
    return iter(dict.fromkeys(min(scripts) for scripts in found))


class _Confusable(msgspec.Struct):
    c: str


@functools.cache
def _prototypes() -> dict[int, str]:
    """Map each confusable character to its prototype, for str.translate."""
    file = resources.files("confusable_homoglyphs") / "confusables.json"
    table = msgspec.json.decode(file.read_bytes(), type=dict[str, list[_Confusable]])
    found: dict[int, str] = {}
    for name, others in table.items():
        # The table lists each pair both ways: a prototype lists all its look-alikes, any other character only its prototype.
        if len(others) > 1:
            continue
        character, other = without_ignorables(name), without_ignorables(others[0].c)
        if len(character) == 1 and (len(table[others[0].c]) > 1 or (len(other), other) > (1, character)):
            found[ord(character)] = other
    # For a single pair the table does not name the prototype; it may also be part of a sequence.
    return {character: other.translate(found) for character, other in found.items()}


@functools.lru_cache(maxsize=4096)
def _scripts_of(character: str) -> frozenset[str]:
    """Return the scripts of a letter (Script_Extensions).

    None for characters of every script.
    """
    return frozenset(name for name, pattern in _scripts() if pattern.match(character))


@functools.cache
def _scripts() -> tuple[tuple[str, regex.Pattern[str]], ...]:
    data = msgspec.json.decode((resources.files("confusable_homoglyphs") / "categories.json").read_bytes())
    names = [name.title() for name in data["iso_15924_aliases"] if name not in {"COMMON", "INHERITED", "UNKNOWN"}]
    return tuple((name, regex.compile(rf"\p{{Script_Extensions={name}}}")) for name in names)
