"""Idempotency keys: those of clients, and the server's own in an author's name."""

from __future__ import annotations

from core.errors import BadFrame
from core.words import words as _

# The server writes in its author's name, so its keys share the author's namespace: a client that used one first would have
# the server's event answered as a duplicate, and it would never be stored.
RESERVED = "server:"
LONGEST = 64


class ServerKey:
    """A key that the server gives an event: its purpose, and parts that identify it.

    Its own type, so that no text from outside passes for one.
    """

    __slots__ = ("text",)

    def __init__(self, purpose: str, *parts: int) -> None:
        self.text = RESERVED + ":".join((purpose, *map(str, parts)))


def key_text(key: str | ServerKey) -> str:
    """Return the key as it is stored.

    Raises BadFrame for a client's key that is blank, too long or the server's.
    """
    if isinstance(key, ServerKey):
        return key.text
    if key.startswith(RESERVED):
        raise BadFrame(_("keys that begin with {prefix} are the server's own", prefix=RESERVED))
    if not key.strip():
        raise BadFrame(_("key is blank"))
    if len(key) > LONGEST:  # cut, two keys could become one, and the second message would be lost
        raise BadFrame(_("key has {count} characters, the limit is {most}", count=len(key), most=LONGEST))
    return key
