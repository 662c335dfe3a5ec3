"""What a feature brings, as data: today the kinds of its events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import msgspec


class Context(NamedTuple):
    """What `apply` may know beside the state and the payload."""

    # The author of the target.
    target_author: int
    # Whether the event's author is an owner of the room.
    is_owner: bool


Apply = Callable[[Any, Any, int, Context], Any]
"""(state, payload, author, context) → the target's new state. Pure. Raises FrameRefused: that event fails alone."""


@dataclass(frozen=True)
class EventKind:
    """A kind of durable events. Its payload's tag is its name in the log and on the wire."""

    payload: type[msgspec.Struct]
    # Whether history lists it.
    listed: bool = False
    # Whether it makes a room unread and moves the room up in the list.
    counts: bool = False
    # The payload of the kind that it amends, which is the state that `apply` changes.
    amends: type[msgspec.Struct] | None = None
    apply: Apply | None = None

    def __post_init__(self) -> None:
        if (self.amends is None) != (self.apply is None):
            raise ValueError(f"event kind {self.name!r}: amends and apply come together")

    @cached_property
    def name(self) -> str:
        return str(self.payload.__struct_config__.tag)

    @cached_property
    def has_text(self) -> bool:
        """Whether its text is in the column `text`, and not in `data`."""
        return "text" in self.payload.__struct_fields__

    def data_of(self, payload: msgspec.Struct) -> dict[str, Any] | None:
        """Return what `chat_event.data` holds of a payload."""
        fields = msgspec.to_builtins(payload)
        return {name: value for name, value in fields.items() if name not in {"type", "text"}} or None


class EventKinds:
    """Every kind, by name."""

    def __init__(self, kinds: Iterable[EventKind] = ()) -> None:
        self._kinds: dict[str, EventKind] = {}
        self.register(*kinds)

    def register(self, *kinds: EventKind) -> None:
        """Raise ValueError, naming the kind, for one that is there already."""
        for kind in kinds:
            if kind.name in self._kinds:
                raise ValueError(f"event kind {kind.name!r} is registered twice")
            self._kinds[kind.name] = kind

    def __iter__(self) -> Iterator[EventKind]:
        return iter(self._kinds.values())

    def __getitem__(self, name: str) -> EventKind:
        return self._kinds[name]

    def get(self, name: str) -> EventKind | None:
        return self._kinds.get(name)

    def listed(self) -> list[str]:
        """Name the kinds that history lists."""
        return [kind.name for kind in self if kind.listed]
