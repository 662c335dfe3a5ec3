"""Merge the updates of notes with pycrdt, without keeping a document in memory.

All of it is synchronous, for a database thread. Other modules treat an update as opaque bytes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
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
