"""All floods of one account: each endpoint, each frame, and each way to connect.

Calls come from the OpenAPI document and frames from the table of frames, so that none is forgotten: `missing` names each one
whose body or fields are not listed here.
"""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

# The flooder's rooms.
MANY = 10_000


class World(NamedTuple):
    """The target of a flood: addresses, the flooder's credentials, existing objects."""

    url: str
    token: str
    session: str
    # A second account's token, for calls that end their credential.
    spent: str
    # A room of the flooder with a page of messages, and another person's id and name.
    room: str
    other: int
    other_name: str


class Upload(NamedTuple):
    """The body of a form with one file."""

    name: str
    content: bytes


class Call(NamedTuple):
    method: str
    path: str
    query: Mapping[str, Any]
    body: Callable[[World], Any] | None


Fields = Callable[[World], Any]
_numbers = itertools.count(1)


def _fresh(prefix: str) -> str:
    return f"{prefix}-{secrets.token_hex(6)}"


# Of a browser that takes pushes: a point of the curve, and a secret.
KEYS = {
    "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
}
# By operation; only calls with a body are listed.
BODIES: dict[str, Fields] = {
    "POST /api/signup": lambda _: {"username": _fresh("new"), "password": secrets.token_hex(12)},
    "POST /api/session": lambda world: {"username": world.other_name, "password": "not theirs"},
    "POST /api/token": lambda world: {"username": world.other_name, "password": "not theirs"},
    "POST /api/rooms": lambda _: {"slug": _fresh("new")},
    "PATCH /api/rooms/{slug}": lambda _: {"title": _fresh("Title")},
    "POST /api/rooms/{slug}/members": lambda world: {"user": world.other},
    "PATCH /api/rooms/{slug}/members/{user}": lambda _: {"role": "member"},
    "POST /api/rooms/{slug}/hooks": lambda _: {"name": _fresh("hook")},
    "POST /api/hooks/{token}": lambda _: {"text": "flood"},
    "POST /api/leave": lambda _: {"rooms": [f"nowhere-{number}" for number in range(500)]},
    "POST /api/rooms/{slug}/sensors/readings": lambda _: {"readings": [{"sensor_id": "t1", "value": 1.5}] * 100},
    "PUT /api/rooms/{slug}/sensors/{sensor_id}/alarm": lambda _: {"above": 30},
    "POST /api/rooms/{slug}/devices": lambda _: {"name": _fresh("device")},
    "POST /api/rooms/{slug}/files": lambda _: Upload("flood.txt", b"flood\n" * 50_000),
    "PATCH /api/notifications": lambda _: {"sound": bool(next(_numbers) % 2)},
    "PUT /api/notifications/rooms/{slug}": lambda _: {"level": ("all", "mentions")[next(_numbers) % 2]},
    "POST /api/notifications/devices": lambda _: {"endpoint": f"https://push.example.com/{_fresh('x')}", "keys": KEYS},
    # An administrator's.
    "PATCH /api/features/{name}": lambda _: {"on": True},
    "POST /api/blocks": lambda world: {"user": world.other},
    # For a stream that is not there: the call itself is what costs.
    "POST /api/frames": lambda _: [{"type": "ping"}] * 50,
}
# The most expensive query strings, if a plain call is cheaper.
DEAREST: dict[str, tuple[dict[str, Any], ...]] = {
    "GET /api/rooms": ({}, {"limit": 500}, {"query": "9"}),
    "GET /api/rooms/{slug}/messages": ({"limit": 200},),
    "GET /api/rooms/{slug}/members": ({"limit": 500},),
    "GET /api/search": ({"query": "e", "limit": 100}, {"query": "before:2020-01-01"}),
    "GET /api/rooms/{slug}/date": ({"since": "2026-01-01T00:00:00Z"},),
    "GET /api/users": ({"query": "e", "limit": 100},),
}
# By type, without `type` and `id`.
FRAMES: dict[str, tuple[Fields, ...]] = {
    "room.join": (
        lambda world: {"room": world.room, "after": 0},
        lambda _: {"room": f"many-{next(_numbers) % MANY}"},
    ),
    "room.leave": (lambda world: {"room": world.room},),
    "message.send": (
        lambda world: {"room": world.room, "key": secrets.token_hex(8), "text": "flood"},
        lambda _: {"to": "nobody-at-all", "key": secrets.token_hex(8), "text": "flood"},
    ),
    "message.edit": (lambda world: {"room": world.room, "target": 1, "key": secrets.token_hex(8), "text": "flood"},),
    "message.delete": (lambda world: {"room": world.room, "target": next(_numbers), "key": secrets.token_hex(8)},),
    "message.react": (lambda world: {"room": world.room, "target": 1, "key": secrets.token_hex(8), "emoji": "👍", "on": True},),
    "search": (lambda _: {"query": f"e{next(_numbers) % 100}", "limit": 100},),
    "list.filter": (lambda world: {"room": world.room, "list": "people", "query": f"e{next(_numbers) % 100}", "limit": 100},),
    "history": (lambda world: {"room": world.room, "before": 2**40, "limit": 200},),
    "read": (lambda world: {"room": world.room, "upto": next(_numbers)},),
    "poll.create": (
        lambda world: {"room": world.room, "key": secrets.token_hex(8), "question": "flood?", "options": ["yes", "no"]},
    ),
    "poll.vote": (lambda world: {"room": world.room, "key": secrets.token_hex(8), "target": 1, "choices": [0]},),
    "poll.close": (lambda world: {"room": world.room, "key": secrets.token_hex(8), "target": 1},),
    "quiz.create": (
        lambda world: {
            "room": world.room,
            "key": secrets.token_hex(8),
            "title": "flood",
            "questions": [{"text": "?", "choices": ["yes", "no"], "right": 0, "seconds": 1}],
        },
    ),
    "quiz.start": (lambda world: {"room": world.room, "key": secrets.token_hex(8), "target": 1},),
    "quiz.answer": (lambda world: {"room": world.room, "key": secrets.token_hex(8), "target": 1, "question": 0, "choice": 0},),
    "survey.create": (
        lambda world: {
            "room": world.room,
            "key": secrets.token_hex(8),
            "title": "flood",
            "questions": [{"kind": "single", "text": "?", "options": ["yes", "no"]}],
        },
    ),
    "survey.answer": (lambda world: {"room": world.room, "key": secrets.token_hex(8), "target": 1, "answers": [[0]]},),
    "survey.close": (lambda world: {"room": world.room, "key": secrets.token_hex(8), "target": 1},),
    "notify.claim": (lambda world: {"room": world.room, "target": next(_numbers)},),
    "typing": (lambda world: {"room": world.room},),
    "location.share": (lambda world: {"room": world.room, "seconds": 60, "key": secrets.token_hex(8)},),
    "location.update": (lambda world: {"room": world.room, "latitude": 1.5, "longitude": 2.5},),
    "sensor.push": (lambda world: {"room": world.room, "readings": [{"sensor_id": "t1", "value": 1.5}] * 100},),
    "location.stop": (lambda world: {"room": world.room, "target": 1, "key": secrets.token_hex(8)},),
    "note.create": (lambda world: {"room": world.room, "key": secrets.token_hex(8), "title": "flood"},),
    "note.open": (lambda world: {"room": world.room, "note": 1},),
    "note.update": (lambda world: {"room": world.room, "note": 1, "update": "AAA="},),
    "note.close": (lambda world: {"room": world.room, "note": 1},),
    "note.cursor": (lambda world: {"room": world.room, "note": 1, "client": 1},),
    "chess.offer": (lambda world: {"room": world.room, "key": secrets.token_hex(8), "seconds": 60, "increment": 0},),
    "chess.accept": (lambda world: {"room": world.room, "key": secrets.token_hex(8), "target": 1},),
    "chess.move": (lambda world: {"room": world.room, "key": secrets.token_hex(8), "target": 1, "move": "e2e4"},),
    "chess.resign": (lambda world: {"room": world.room, "key": secrets.token_hex(8), "target": 1},),
    "chess.draw": (lambda world: {"room": world.room, "key": secrets.token_hex(8), "target": 1, "action": "offer"},),
    "activity": (lambda _: {"state": ("active", "away")[next(_numbers) % 2]},),
    "ping": (lambda _: {},),
}
# Frames without a reply: a `ping` follows each.
UNANSWERED = frozenset({"typing", "note.cursor"})
# Opened with the flooder's session cookie.
PAGES = ("/", "/chat/", "/healthz", "/readyz")
HANDSHAKES = "handshakes"
# No flood: shows the effect of chance on the ratio.
NOTHING = "nothing"
_METHODS = {"get", "post", "put", "patch", "delete"}
_PARAMETER = re.compile(r"{(\w+)}")


def calls(document: Mapping[str, Any]) -> dict[str, Call]:
    """Return each operation of an OpenAPI document and each page by name."""
    found = {f"GET {path}": Call("GET", path, {}, None) for path in PAGES}
    for path, operations in document["paths"].items():
        for method in operations.keys() & _METHODS:
            name = f"{method.upper()} {path}"
            for query in DEAREST.get(name, ({},)):
                shown = "&".join(f"{key}={value}" for key, value in query.items())
                found[f"{name}?{shown}" if shown else name] = Call(method.upper(), path, query, BODIES.get(name))
    return found


def frames() -> dict[str, tuple[str, Fields]]:
    """Return each variant of each frame by name."""
    return {
        f"{kind} ({number})" if number else kind: (kind, fields)
        for kind, ways in FRAMES.items()
        for number, fields in enumerate(ways)
    }


def names(document: Mapping[str, Any]) -> list[str]:
    """Return the names of all floods, an empty one first."""
    return [NOTHING, *calls(document), *frames(), HANDSHAKES]


def missing(document: Mapping[str, Any], table: Mapping[str, Any]) -> list[str]:
    """Name operations and frames without a flood, and floods without a target."""
    bodies = {
        f"{method.upper()} {path}"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if "requestBody" in operation
    }
    return sorted((bodies ^ BODIES.keys()) | (table.keys() ^ FRAMES.keys()))


def address_of(call: Call, world: World) -> str:
    """Return a call's path with its parameters filled in."""
    values = {
        "slug": world.room,
        "sensor_id": "t1",
        "user": str(world.other),
        "hook": "1",
        "token": "none",
        "seq": "1",
        "number": "1",
        "device": "1",
        "code": "none",
        "name": "none",
    }
    return _PARAMETER.sub(lambda found: values[found[1]], call.path)
