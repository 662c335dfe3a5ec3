"""The fields and types of all frames of the native dialect.

Other fields are forbidden.
"""

import re
from collections.abc import Callable
from typing import Any

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")

Check = Callable[[Any], bool]


def _is(*kinds: type) -> Check:
    return lambda value: type(value) in kinds


def _list_of(shape: dict[str, Check]) -> Check:
    return lambda value: type(value) is list and all(_matches(item, shape) for item in value)


def _matches(value: Any, shape: dict[str, Check]) -> bool:
    return type(value) is dict and set(value) == set(shape) and all(check(value[name]) for name, check in shape.items())


INTEGER, TEXT, TRUTH, OBJECT, LIST = _is(int), _is(str), _is(bool), _is(dict), _is(list)


def _time(value: Any) -> bool:
    return type(value) is str and _TIME.fullmatch(value) is not None


_PERSON = {"id": INTEGER, "name": TEXT}


def _person(value: Any) -> bool:
    return _matches(value, _PERSON)


_PEOPLE = _list_of(_PERSON)
_ANY_ID = _is(int, str, type(None))
_MESSAGE = {
    "type": TEXT,
    "room": TEXT,
    "seq": INTEGER,
    "from": _person,
    "text": TEXT,
    "at": _time,
    "edited": TRUTH,
    "deleted": TRUTH,
    "reactions": OBJECT,
}
_AMENDING: dict[str, Check] = {"room": TEXT, "seq": INTEGER, "target": INTEGER, "from": _person, "at": _time}
_LIMITS = {"text": INTEGER, "frame": INTEGER, "rate": INTEGER}

SHAPES: dict[str, dict[str, Check]] = {
    "hello": {
        "protocol": INTEGER,
        "user": _person,
        "heartbeat": INTEGER,
        "limits": lambda value: _matches(value, _LIMITS),
        "features": LIST,
    },
    "room.joined": {
        "re": _ANY_ID,
        "room": TEXT,
        "head": INTEGER,
        "events": LIST,
        "more": TRUTH,
        "member_count": INTEGER,
        "online_count": INTEGER,
        "online": _PEOPLE,
        "away": LIST,
    },
    "ok": {"re": _ANY_ID},
    "pong": {"re": _ANY_ID},
    "message.sent": {"re": _ANY_ID, "room": TEXT, "seq": INTEGER, "at": _time, "duplicate": TRUTH},
    "history.page": {"re": _ANY_ID, "room": TEXT, "messages": LIST, "more": TRUTH},
    "message": {name: check for name, check in _MESSAGE.items() if name != "type"},
    "message.edited": {**_AMENDING, "text": TEXT},
    "message.deleted": _AMENDING,
    "reaction": {**_AMENDING, "emoji": TEXT, "on": TRUTH},
    "presence": {"room": TEXT, "online_count": INTEGER, "joined": _PEOPLE, "left": _PEOPLE},
    "typing": {"room": TEXT, "user": _person},
    "read": {"room": TEXT, "user": _person, "upto": INTEGER},
    "unread": {"room": TEXT, "head": INTEGER, "upto": INTEGER, "count": INTEGER, "mentions": INTEGER},
    "room.added": {"room": TEXT, "title": TEXT, "kind": TEXT, "private": TRUTH, "head": INTEGER, "upto": INTEGER},
    "room.left": {"room": TEXT, "reason": TEXT},
    "room.updated": {"room": TEXT, "title": TEXT, "private": TRUTH, "kind": TEXT},
    "user.updated": {"user": _person},
    "gap": {"room": TEXT, "head": INTEGER},
    "drain": {"after_ms": INTEGER},
    "error": {"re": _ANY_ID, "code": TEXT, "message": TEXT},
}


# Fields that are present only where there is something to say.
OPTIONAL = {
    "presence": {"away": LIST, "back": LIST},
    "message": {"reply_to": lambda value: _matches(value, {"seq": INTEGER, "from": _person, "text": TEXT}), "mentions": LIST},
}


def assert_shape(frame: dict[str, Any], *, own: bool = False) -> None:
    """Check the shape of a frame and of its page's messages.

    `own`: the author's copy has `key`.
    """
    shape = SHAPES[frame["type"]] | {"type": TEXT}
    shape |= {name: check for name, check in OPTIONAL.get(frame["type"], {}).items() if name in frame}
    if own:
        shape = shape | {"key": TEXT}
    assert set(frame) == set(shape), f"fields of {frame['type']}: {sorted(set(frame) ^ set(shape))} in {frame}"
    wrong = [name for name, check in shape.items() if not check(frame[name])]
    assert not wrong, f"{wrong} of {frame}"
