"""Merge the updates of notes with pycrdt, without keeping a document in memory.

All of it is synchronous, for a database thread. Other modules treat an update as opaque bytes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

from core.lazy_module import LazyModule

if TYPE_CHECKING:
    import pycrdt
else:
    pycrdt = LazyModule("pycrdt")

P = ParamSpec("P")
R = TypeVar("R")

# The Y.Text that holds a note's text.
TEXT = "text"
# The update that changes nothing, and the vector of an empty document.
NOTHING = b"\x00\x00"
NO_VECTOR = b"\x00"
# Updates merged at once: merging many small ones together takes quadratic time.
MERGED_AT_ONCE = 50
# Refused updates with insertions that a TextLength tries. Each makes it build its copy again: 30 ms for a note of 600 kB.
TRIED = 5


class Unreadable(ValueError):
    """Bytes that are no update, or no state vector."""


class Compacted(NamedTuple):
    update: bytes
    text: str


def _checked(function: Callable[P, R]) -> Callable[P, R]:
    """Turn the library's errors into Unreadable.

    A panic of its Rust code is a BaseException.
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            raise Unreadable(str(error)) from error

    return call


@_checked
def check(update: bytes) -> None:
    """Raise Unreadable for bytes that are no update."""
    pycrdt.Doc().apply_update(update)


@_checked
def merged(updates: Sequence[bytes]) -> bytes:
    """Merge updates into one.

    It keeps those whose predecessors are missing.
    """
    found = list(updates) or [NOTHING]
    while len(found) > 1:
        found = [pycrdt.merge_updates(*found[start : start + MERGED_AT_ONCE]) for start in range(0, len(found), MERGED_AT_ONCE)]
    return found[0]


@_checked
def vector_of(update: bytes) -> bytes:
    """Return the state vector of a document with this update alone."""
    return pycrdt.get_state(update)


@_checked
def missing(update: bytes, vector: bytes) -> bytes:
    """Return what of `update` a document with this state vector lacks."""
    _check_vector(vector)
    return pycrdt.get_update(update, vector)


@_checked
def text_of(update: bytes) -> str:
    return str(_document(update)[1])


@_checked
def compacted(update: bytes) -> Compacted:
    """Drop deleted content.

    An update that waits for its predecessors stays.
    """
    document, text = _document(update)
    shown = str(text)
    # Not in the document, and so lost with it: structs above its state.
    waits = pycrdt.get_update(update, document.get_state())[0] != 0
    return Compacted(update if waits else document.get_update(), shown)


@_checked
def replaced(update: bytes, wanted: str) -> bytes:
    """Return an update that makes the text `wanted`.

    It is one deletion and one insertion, between the unchanged beginning and the unchanged end.
    """
    document, text = _document(update)
    have, want = str(text), wanted
    start = 0
    while start < min(len(have), len(want)) and have[start] == want[start]:
        start += 1
    end = 0
    while end < min(len(have), len(want)) - start and have[-1 - end] == want[-1 - end]:
        end += 1
    before = document.get_state()
    # The library counts in bytes.
    first, last = len(have[:start].encode()), len(have[: len(have) - end].encode())
    with document.transaction():
        if last > first:
            del text[first:last]
        if inserted := want[start : len(want) - end]:
            text.insert(first, inserted)
    return document.get_update(before)


class Effect(Enum):
    """Result of an update."""

    NOTHING = "nothing"
    SHORTER = "shorter"
    OTHER = "other"


class TextLength:
    """Find updates that make a note's text shorter, on a copy of the note.

    May raise Unreadable.
    """

    def __init__(self, update: bytes) -> None:
        """`update`: all of the document."""
        self._accepted = [update]
        self._tries = TRIED
        self._changed = False
        self._build()

    def _build(self) -> None:
        self._document, self._text = _checked(_document)(merged(self._accepted))
        self._subscription = self._document.observe(self._note_change)

    def _note_change(self, _: Any) -> None:
        self._changed = True

    def add(self, update: bytes) -> None:
        """Add an update that was accepted without a question."""
        self._accepted.append(update)
        _checked(self._document.apply_update)(update)

    @_checked
    def effect_of(self, update: bytes) -> Effect:
        """Add an update if it makes the text shorter, and return its effect."""
        state, before = self._document.get_state(), len(self._text)
        new = pycrdt.get_update(update, state)
        # An update begins with the number of clients whose insertions it holds.
        if new[0] and not self._tries:
            return Effect.OTHER
        self._changed = False
        self._document.apply_update(update)
        if len(self._text) < before:
            self._accepted.append(update)
            return Effect.SHORTER
        if not new[0] and not self._changed and _deletes_known(new, state):
            return Effect.NOTHING
        if new[0]:
            self._tries -= 1
            self._build()
        return Effect.OTHER


def _deletes_known(update: bytes, state: bytes) -> bool:
    """Return whether a state vector covers all deletions of an update.

    The update holds no insertions.
    """
    decoder = pycrdt.Decoder(state)
    clocks = {decoder.read_var_uint(): decoder.read_var_uint() for _ in range(decoder.read_var_uint())}
    decoder = pycrdt.Decoder(update[1:])
    for _ in range(decoder.read_var_uint()):
        client = decoder.read_var_uint()
        for _ in range(decoder.read_var_uint()):
            begin, length = decoder.read_var_uint(), decoder.read_var_uint()
            if begin + length > clocks.get(client, 0):
                return False
    return True


def _document(update: bytes) -> tuple[pycrdt.Doc[Any], pycrdt.Text]:
    document: pycrdt.Doc[Any] = pycrdt.Doc()
    text = document.get(TEXT, type=pycrdt.Text)
    document.apply_update(update)
    return document, text


def _check_vector(vector: bytes) -> None:
    """Refuse a vector that claims more clients than it can hold.

    The library would allocate room for all of them.
    """
    if pycrdt.Decoder(vector).read_var_uint() > len(vector) // 2:
        raise Unreadable("the vector is too short")
