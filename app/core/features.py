"""A feature as data: kinds of events, frames, live topics, routes, errors, work.

config/features.py lists the features; everything that needs to know them loops over `installed()`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, NamedTuple

import msgspec

from core.errors import BadFrame, FrameRefused
from core.services import Service

# The author of an anonymous event on the wire.
NOBODY = {"id": 0, "name": ""}


class Context(NamedTuple):
    """What `apply` may know beside the state and the payload."""

    # The author of the target.
    target_author: int
    # Whether the event's author is an owner of the room. True for an event of the server.
    is_owner: bool
    # The time of the commit.
    at: datetime
    author_name: str = ""
    # Whether the server wrote the event, and no person.
    by_server: bool = False


# (state, payload, author, context) → the target's new state. Pure. Raises FrameRefused: that event fails alone.
Apply = Callable[[Any, Any, int, Context], Any]
# Refuses, with a FrameRefused, a thing that may not begin. Pure.
Check = Callable[[Any, Context], None]
# The fields of a payload, or of a thing's state, that the wire carries.
Public = Callable[[Any], dict[str, Any]]


@dataclass(frozen=True)
class EventKind:
    """A kind of durable events.

    Its payload's tag is its name in the log and on the wire.

    A kind without `amends` is a thing: its payload is its state, which amending events change.
    """

    payload: type[msgspec.Struct]
    # Whether history lists it.
    listed: bool = False
    # Whether it makes a room unread and moves the room up in the list.
    counts: bool = False
    # The payload of the kind that it amends, which is the state that `apply` changes.
    amends: type[msgspec.Struct] | None = None
    apply: Apply | None = None
    # What the wire carries: of a thing all fields, of an amending event none beside its target's new state.
    public: Public | None = None
    # The struct of these fields, for the documents and the page (`make protocol`). None: the payload's own.
    wire: type[msgspec.Struct] | None = None
    # Whether the event carries its target's state.
    carries_state: bool = True
    # Of a thing: what its author may not begin. Runs in the commit, so a repeated key is answered as before.
    check: Check | None = None
    # Of an amending kind: whether a target of that state hides its author from the wire: `from` is then NOBODY.
    anonymous: Callable[[Any], bool] | None = None
    # For a thing: the time of the server's next action, and the event that it then appends. None: nothing is due.
    due: Callable[[Any], datetime | None] | None = None
    on_due: Callable[[Any, datetime], msgspec.Struct | None] | None = None
    # Of a thing whose state names people: the state with a new name for a person who was renamed, or deleted.
    renamed: Callable[[Any, int, str], Any] | None = None
    # Called with the room and the event's wire form in every delivering process, and in the committing one. At
    # least once in all; a process without sockets in the room may not hear of it. On the event loop; must not wait.
    delivered: Callable[[Any, dict[str, Any]], None] | None = None
    # Whether it carries the message parts of features.
    carries_parts: bool = False

    def __post_init__(self) -> None:
        if (self.amends is None) != (self.apply is None):
            raise ValueError(f"event kind {self.name!r}: amends and apply come together")
        if (self.due is None) != (self.on_due is None):
            raise ValueError(f"event kind {self.name!r}: due and on_due come together")

    @cached_property
    def name(self) -> str:
        return str(self.payload.__struct_config__.tag)

    @property
    def fields_shown(self) -> type[msgspec.Struct] | None:
        """Return the struct of the fields that `shown` gives.

        None: an amending event has no fields of its own.
        """
        return self.wire or (self.payload if self.amends is None or self.has_text else None)

    @cached_property
    def has_text(self) -> bool:
        """Whether its text is in the column `text`, and not in `data`."""
        return "text" in self.payload.__struct_fields__

    def data_of(self, payload: msgspec.Struct) -> dict[str, Any] | None:
        """Return what `chat_event.data` holds of a payload."""
        fields = msgspec.to_builtins(payload)
        return {name: value for name, value in fields.items() if name not in {"type", "text"}} or None

    def shown(self, payload: msgspec.Struct) -> dict[str, Any]:
        """Return a payload or a thing's state as sent to clients."""
        if self.public is not None:
            return self.public(payload)
        return (self.data_of(payload) or {}) if self.amends is None else {}


class EventKinds:
    """Every kind, by name."""

    def __init__(self, kinds: Iterable[EventKind] = ()) -> None:
        self._kinds: dict[str, EventKind] = {}
        # Those of features that are on. Replaced as a whole: database threads read it meanwhile.
        self._shown: dict[str, EventKind] = {}
        self.register(*kinds)

    def register(self, *kinds: EventKind) -> None:
        """Raise ValueError, naming the kind, if it is there already."""
        for kind in kinds:
            if self._kinds.get(kind.name, kind) is not kind:
                raise ValueError(f"event kind {kind.name!r} is registered twice")
            self._kinds[kind.name] = kind
        self._shown = dict(self._kinds)

    def hide(self, hidden: Iterable[EventKind]) -> None:
        """Treat these, and only these, as unknown.

        Their events keep their places in the log, unseen.
        """
        names = {kind.name for kind in hidden}
        self._shown = {name: kind for name, kind in self._kinds.items() if name not in names}

    def __iter__(self) -> Iterator[EventKind]:
        return iter(self._shown.values())

    def __getitem__(self, name: str) -> EventKind:
        """Return a kind, also a hidden one.

        An event that was accepted before its kind was hidden must still be committed.
        """
        return self._kinds[name]

    def everything(self) -> list[EventKind]:
        """Return all kinds, the hidden ones included."""
        return list(self._kinds.values())

    def get(self, name: str) -> EventKind | None:
        return self._shown.get(name)

    def listed(self) -> list[str]:
        """Name the kinds that history lists."""
        return [kind.name for kind in self if kind.listed]


class FrameHandler(NamedTuple):
    """A frame of clients: its struct, whose tag is its type, and what handles it."""

    frame: type[msgspec.Struct]
    # (socket, frame) → the reply's fields, now or deferred, or None; or a coroutine of one of them.
    handle: Callable[[Any, Any], Any]
    # Whether LIMIT_CALLS_PER_S holds: False for what reads nothing from the database, or has its own limit.
    paced: bool = True
    # The tag of its reply, for the documents. "": `stored` for a frame with a `key`, else `ok`.
    reply: str = ""
    # Whether the frame takes the message parts of features: a field for each, None by default.
    takes_parts: bool = False

    @property
    def type(self) -> str:
        return str(self.frame.__struct_config__.tag)


@dataclass(frozen=True)
class LiveTopic:
    """A topic of live values (realtime/live.py): the newest value of each key wins."""

    name: str
    # Values of one key that a socket is sent a second.
    per_s: float = 1.0
    # How long a value is kept for those who join later; 0: not at all.
    keep_s: float = 0.0
    # Keys that a room keeps; a new one above it is refused.
    keys: int = 1_000
    # Whether the sender's own sockets are sent the value, too.
    to_sender: bool = True
    # (room, key, sender, value) → the frame, for a topic that has an older one than `live`.
    frame: Callable[[str, str, dict[str, Any], Any], dict[str, Any]] | None = None
    # The struct of its values, for the documents and the page.
    value: Any = Any
    # key → the part of the room (its name and seq) whose sockets are sent the value. None: all joined sockets are.
    part: Callable[[str], tuple[str, int]] | None = None


# (room id, seq)
Place = tuple[int, int]


@dataclass(frozen=True)
class Part:
    """A part of a room that sockets open, such as a note.

    It has numbered frames of its own (realtime/parts.py).
    """

    name: str
    # The number of each place's newest frame. In a database thread.
    heads: Callable[[list[Place]], dict[Place, int]]
    # (room, seq, after) → [(number, frame)] above `after`, in order. In a database thread. Where older ones are gone, the first
    # frame stands for all of them.
    read: Callable[[Any, int, int], list[tuple[int, dict[str, Any]]]]
    # Parts that one socket may have open.
    per_socket: int = 20
    # (socket, room, seq, whether it was the last one in this process): a socket has it open no longer.
    closed: Callable[[Any, Any, int, bool], None] | None = None


@dataclass(frozen=True)
class TokenKind:
    """Tokens that are no person's and may do one thing: those of devices.

    A call takes them where it says so (`accounts.http_auth.or_by`), a socket where `dialects` has an entry.
    """

    # The credentials are `name:id`, `name:id:…`.
    name: str
    # Begins each token, so that it is looked up in one table.
    prefix: str
    # SHA-256 digests of tokens → digest → (Person, credential), without invalid ones. A `db.queries.Query`.
    owners: Callable[[list[str]], Any]
    # Name of the dialect of a path → the dialect that such a socket gets in its place.
    dialects: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class MessagePart:
    """A part of a message beside its text.

    It is a field of this name in `message.send`, and in `message` where there is any. An edit keeps it, a deletion does not.
    """

    name: str
    # The types of the field in `message.send` and in `message`.
    takes: Any
    shows: Any
    # (room, author, key, value) → the part of the stored message, as JSON. Awaited before the commit, and again when the
    # key is repeated. Raises FrameRefused: a repeated key is answered all the same (chat/resends.py).
    prepare: Callable[[Any, Any, str, Any], Awaitable[Any]]
    # What stands for the text of a message without one, as in a quote.
    summary: Callable[[Any], str] | None = None
    # (ids of rooms, how many) → (room id, seq) of the latest messages with it, for a search. In a database thread.
    places: Callable[[list[int], int], list[Place]] | None = None

    @property
    def stands_alone(self) -> bool:
        """Whether a message with it may have no text."""
        return self.summary is not None


@dataclass(frozen=True)
class RoomList:
    """A list of a room's things, which its members filter as they type.

    They ask over their sockets, by the frame `list.filter`.
    """

    name: str
    # (user, room's slug, query, place of the last entry before, how many) → (entries, whether there are more). Each entry holds
    # all words of the query (core.word_filter). In a database thread. Raises NoSuchRoom or NotAMember.
    find: Callable[[int, str, str, str | None, int], tuple[list[dict[str, Any]], bool]]
    # Entry → its place in the order of the list, which `find` takes.
    place: Callable[[dict[str, Any]], str]


def number_of(place: str | None) -> int | None:
    """Return the place of a list whose places are numbers.

    Raises BadFrame.
    """
    if place is None:
        return None
    if not (place.isascii() and place.isdecimal() and len(place) <= 15):
        raise BadFrame("after: hand back `next` as it came")
    return int(place)


class LargeBody(NamedTuple):
    """Requests with a larger body than others have.

    Their view reads it as it arrives: `core.bodies.body_of(request)`.
    """

    method: str
    path: re.Pattern[str]
    # Bytes of the body at most. Called for each request.
    most: Callable[[], int]
    # From the headers to the end of the body.
    within_s: float


class Periodic(NamedTuple):
    """Work that every web process does again and again.

    It must be harmless when several processes do it at once.
    """

    run: Callable[[], Awaitable[None]]
    every_s: float


class Checked(NamedTuple):
    """One result of a feature's check.

    `text` is the finding; `change` is the line to change where something is wrong.
    """

    level: Literal["ok", "warning", "failure"]
    text: str
    change: str = ""


# (ids of rooms, terms in lower case, how many) → (room id, seq, text) of the latest things that hold all terms, for the search.
# Bounded; in a database thread.
SearchedTexts = Callable[[list[int], Sequence[str], int], list[tuple[int, int, str]]]

# (seconds for each step of the network) → results
DoctorCheck = Callable[[float], Iterable[Checked]]


class Routine(NamedTuple):
    """Work that the background worker does again and again, in a thread of its own.

    There may be several workers.
    """

    name: str
    run: Callable[[], None]
    every_s: float


@dataclass(frozen=True)
class Feature:
    """One feature. docs/features.md shows each part at work."""

    name: str
    # Further names in `hello.features`, beside the feature's own.
    abilities: tuple[str, ...] = ()
    events: tuple[EventKind, ...] = ()
    frames: tuple[FrameHandler, ...] = ()
    live: tuple[LiveTopic, ...] = ()
    # Structs of its own replies and pushes. Their tags are the types; a reply has `re`.
    sends: tuple[type[msgspec.Struct], ...] = ()
    parts: tuple[Part, ...] = ()
    tokens: tuple[TokenKind, ...] = ()
    message_parts: tuple[MessagePart, ...] = ()
    lists: tuple[RoomList, ...] = ()
    searched: tuple[SearchedTexts, ...] = ()
    bodies: tuple[LargeBody, ...] = ()
    # (path below /api, router)
    routers: tuple[tuple[str, Any], ...] = ()
    # Refusals with a code and an HTTP status of their own.
    errors: tuple[type[FrameRefused], ...] = ()
    periodic: tuple[Periodic, ...] = ()
    # Dotted names of tasks that the background worker runs every 15 minutes.
    tasks: tuple[str, ...] = ()
    routines: tuple[Routine, ...] = ()
    services: tuple[Callable[[], Service], ...] = ()
    # (room, events, watchers): called in each process with events of any kind that it delivers in a room, and with the people of
    # this process who watch it (realtime.publish.LocalUser). On the event loop, at each commit: must return at once.
    delivered: tuple[Callable[[Any, Any, Any], None], ...] = ()
    # (user, frame): called where a frame for all of a person's sockets is sent (realtime.publish.person_signal).
    signalled: tuple[Callable[[int, dict[str, Any]], None], ...] = ()
    # Sockets of simpler clients: a compiled pattern of the path, and a realtime.dialects.base.Dialect.
    dialects: tuple[tuple[Any, Any], ...] = ()
    # Dialects of its own that no path of a socket leads to.
    own_dialects: tuple[Any, ...] = ()
    # Django paths below the root, and Channels consumers behind the same credentials.
    urlpatterns: tuple[Any, ...] = ()
    websocket_urlpatterns: tuple[Any, ...] = ()
    # Checks of `manage.py doctor`, by name.
    checks: tuple[tuple[str, DoctorCheck], ...] = ()


class Installed:
    """All features of this process.

    Raises ValueError, naming it, for a name that two of them use.
    """

    def __init__(self, features: Iterable[Feature], core: Iterable[Feature] = ()) -> None:
        self.features = tuple(features)
        core = tuple(core)
        self.all = (*core, *self.features)
        # Features that an administrator has switched off (app/switches), by name, and their unreachable parts: structs of
        # frames, lists, dialects, views and consumers.
        self.off: frozenset[str] = frozenset()
        self.refused: frozenset[Any] = frozenset()
        # Names of their message parts.
        self.parts_off: frozenset[str] = frozenset()
        parts = _unique("message part", "message_parts", self.all, lambda one: one.name)
        self.message_parts: dict[str, MessagePart] = {part.name: part for part in parts}
        handlers = _unique("frame", "frames", self.all, lambda one: one.type)
        self.frames = {handler.type: self._with_parts(handler) for handler in handlers}
        self.kinds: list[EventKind] = _unique("event kind", "events", self.all, lambda one: one.name)
        self.topics = {topic.name: topic for topic in _unique("live topic", "live", self.all, lambda one: one.name)}
        self._topics = self.topics
        _unique("server frame", "sends", self.all, lambda one: one.__struct_config__.tag)
        self.parts = {part.name: part for part in _unique("part", "parts", self.all, lambda one: one.name)}
        self.lists = {one.name: one for one in _unique("list", "lists", self.all, lambda one: one.name)}
        self.tokens = {kind.name: kind for kind in _unique("token kind", "tokens", self.all, lambda one: one.name)}
        _unique("error code", "errors", self.all, lambda one: one.code)
        _unique("feature", "", self.all, lambda one: one.name)
        self._bodies: list[LargeBody] = self.every("bodies")
        self._core = core
        # The names that `hello` carries.
        self.names = self._names()

    def _names(self) -> list[str]:
        shown = [feature for feature in self.features if feature.name not in self.off]
        return [feature.name for feature in shown] + [name for feature in (*self._core, *shown) for name in feature.abilities]

    def switch(self, off: Iterable[str]) -> bool:
        """Take these features, and only these, for off.

        Return whether that changed anything. Other names are ignored.
        """
        switched = [feature for feature in self.features if feature.name in set(off)]
        names = frozenset(feature.name for feature in switched)
        if names == self.off:
            return False
        topics = {topic.name for feature in switched for topic in feature.live}
        self.topics = {name: topic for name, topic in self._topics.items() if name not in topics}
        self.parts_off = frozenset(part.name for feature in switched for part in feature.message_parts)
        self.off, self.refused = names, frozenset(one for feature in switched for one in _reached(feature))
        self.names = self._names()
        return True

    def owner_of(self, part: Any) -> str:
        """Name the feature of a frame's struct, a list, a dialect, a view or a consumer.

        "" for the core's.
        """
        return next((feature.name for feature in self.features if part in set(_reached(feature))), "")

    def every(self, part: str) -> list[Any]:
        """Return what all features bring of one part."""
        return [one for feature in self.all for one in getattr(feature, part)]

    def _with_parts(self, handler: FrameHandler) -> FrameHandler:
        fields = [(part.name, part.takes | None, None) for part in self.message_parts.values()]
        if not handler.takes_parts or not fields:
            return handler
        extended = msgspec.defstruct(handler.frame.__name__, fields, bases=(handler.frame,), tag=handler.type)
        return handler._replace(frame=extended)

    def fields_shown(self, kind: EventKind) -> type[msgspec.Struct] | None:
        """The struct of the fields that an event carries, those of features among them."""
        own = kind.fields_shown
        fields = [(part.name, part.shows | msgspec.UnsetType, msgspec.UNSET) for part in self.message_parts.values()]
        if own is None or not kind.carries_parts or not fields:
            return own
        return msgspec.defstruct(own.__name__, fields, bases=(own,))

    def body_of(self, method: str, path: str) -> LargeBody | None:
        """Return what is said of the bodies of such requests; None for the ordinary ones."""
        for body in self._bodies:
            if body.method == method and body.path.fullmatch(path):
                return body
        return None


def _reached(feature: Feature) -> Iterator[Any]:
    """Yield what clients reach of a feature, but for its API."""
    yield from (handler.frame for handler in feature.frames)
    yield from feature.lists
    yield from (dialect for _, dialect in feature.dialects)
    yield from feature.own_dialects
    yield from (dialect for token in feature.tokens for dialect in token.dialects.values())
    yield from _callbacks((*feature.urlpatterns, *feature.websocket_urlpatterns))


def _callbacks(patterns: Iterable[Any]) -> Iterator[Any]:
    for pattern in patterns:
        yield from (_callbacks(pattern.url_patterns) if hasattr(pattern, "url_patterns") else (pattern.callback,))


def _unique(what: str, part: str, features: Iterable[Feature], name: Callable[[Any], str]) -> list[Any]:
    found: dict[str, tuple[str, Any]] = {}
    for feature in features:
        for one in getattr(feature, part) if part else (feature,):
            first = found.setdefault(name(one), (feature.name, one))
            if first[1] is not one:
                raise ValueError(f"{what} {name(one)!r} is brought by {first[0]} and by {feature.name}")
    return [one for _, one in found.values()]


_installed = Installed(())


def install(features: Installed) -> None:
    """Set the features of this process."""
    global _installed  # one for the process, as Django's registry of apps
    _installed = features


def installed() -> Installed:
    return _installed
