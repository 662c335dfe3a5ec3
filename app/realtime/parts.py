"""The features' interface to parts of a room that sockets open, such as a note.

The parts are in realtime/open_parts.py.
"""

from __future__ import annotations

from realtime import hub
from realtime.open_parts import Numbered, Parts

__all__ = ["Numbered", "Parts", "current"]


def current() -> Parts:
    """Return this process's parts.

    Call on the event loop.
    """
    return hub.current().parts
