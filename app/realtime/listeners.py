"""Features that hear of the events and frames this process delivers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec
import structlog

from core import metrics
from core.features import installed
from realtime.events import LogEvent, RoomRef, kind_of
from realtime.local_users import LocalUser

logger = structlog.get_logger(__name__)


class Listeners:
    def __init__(self) -> None:
        # By kind of event.
        self._of_kind = {kind.name: kind.delivered for kind in installed().kinds if kind.delivered is not None}
        # Of all events, with the feature's name.
        self._of_all = [(feature.name, listener) for feature in installed().all for listener in feature.delivered]
        # Of frames to all sockets of a person.
        self._of_people = installed().every("signalled")

    @property
    def watch(self) -> bool:
        """Return whether a feature hears of all events."""
        return bool(self._of_all)

    def watched(self, room: RoomRef, events: Sequence[LogEvent], watchers: AbstractSet[LocalUser]) -> None:
        """Hand on events of a room together with the people of this process who watch it."""
        for name, listener in self._of_all:
            if name not in installed().off:
                _call(listener, room, events, watchers)

    def delivered(self, room: RoomRef, events: Sequence[LogEvent]) -> None:
        """Hand on events whose kind has a listener."""
        for event in events if self._of_kind else ():
            listener = self._of_kind.get(kind_of(event.text))
            if listener is not None:
                _call(listener, room, msgspec.json.decode(event.text))

    def signalled(self, user: int, frame: str) -> None:
        """Hand on a frame to all sockets of a person."""
        for listener in self._of_people:
            _call(listener, user, msgspec.json.decode(frame))


def _call(listener: Callable[..., object], *what: Any) -> None:
    """Call a listener; its failure must not hold up what comes behind it."""
    try:
        listener(*what)
    except Exception:
        metrics.HANDLER_FAILURES.labels("listener").inc()
        logger.exception("a feature failed to hear", listener=getattr(listener, "__qualname__", ""))
