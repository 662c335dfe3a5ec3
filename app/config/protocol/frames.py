"""All frames of the native dialect, from what is installed."""

from __future__ import annotations

from typing import Any, NamedTuple

from config.protocol.schemas import Schema, ref, schema_of
from core.errors import FrameRefused
from core.features import EventKind, FrameHandler, Installed, LiveTopic


class Lines(NamedTuple):
    """A dialect of a feature: one kind of line in each direction."""

    address: str
    description: str
    clients: Schema
    server: Schema


class Frames(NamedTuple):
    # Type → schema of each frame of clients, with what handles it.
    clients: dict[str, tuple[Schema, FrameHandler]]
    # Type → schema of each event.
    events: dict[str, Schema]
    # Kinds that history lists.
    listed: list[str]
    # Type → schema of each other frame of the server; `live.TOPIC` for a topic's.
    server: dict[str, Schema]
    # Structs within these, by name; also the states of things.
    components: dict[str, Schema]
    errors: list[str]
    # By the dialect's name.
    dialects: dict[str, Lines]


def frames_of(features: Installed) -> Frames:
    components: dict[str, Schema] = {}
    clients = {kind: (schema_of(handler.frame, components, closed=False), handler) for kind, handler in features.frames.items()}
    server = {_tag(struct): schema_of(struct, components, closed=True) for struct in features.every("sends")}
    server |= {f"live.{topic.name}": _live(topic, components) for topic in features.topics.values() if topic.frame is None}
    events = {kind.name: _event(kind, features, components) for kind in features.kinds}
    listed = [kind.name for kind in features.kinds if kind.listed]
    dialects = {dialect.name: _lines(pattern.pattern, dialect, components) for pattern, dialect in features.every("dialects")}
    return Frames(clients, events, listed, server, components, _error_codes(), dialects)


def _tag(struct: Any) -> str:
    return str(struct.__struct_config__.tag)


def _event(kind: EventKind, features: Installed, components: dict[str, Schema]) -> Schema:
    if kind.public is not None and kind.wire is None:
        raise ValueError(f"event kind {kind.name!r} has `public`: name the struct of these fields as `wire`")
    shown = features.fields_shown(kind)
    own = schema_of(shown, components, closed=True) if shown is not None else {}
    fields = {name: schema for name, schema in own.get("properties", {}).items() if name != "type"}
    optional = {name for name in fields if kind.wire is not None and name not in own.get("required", ())}
    envelope: dict[str, Schema] = {
        "type": {"const": kind.name},
        "room": ref("Slug"),
        "seq": {"type": "integer", "minimum": 1},
        "from": ref("Person"),
        "at": ref("Time"),
    }
    if kind.amends is not None:
        envelope["target"] = ref("Target")
    if kind.amends is not None and kind.carries_state:
        envelope["state"] = _state(kind, features, components)
    properties = {**envelope, **fields, "key": ref("Key")}
    required = [name for name in properties if name != "key" and name not in optional]
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def _state(kind: EventKind, features: Installed, components: dict[str, Schema]) -> Schema:
    (thing,) = (one for one in features.kinds if one.payload is kind.amends)
    assert thing.fields_shown is not None
    schema = schema_of(thing.fields_shown, components, closed=True)
    fields = {name: part for name, part in schema["properties"].items() if name != "type"}
    # What the log stores is complete: defaults are those of the code that begins a thing.
    state = {**schema, "required": [*fields], "properties": fields}
    name = f"{pascal(thing.name)}State"
    components[name] = state
    return ref(name)


def _live(topic: LiveTopic, components: dict[str, Schema]) -> Schema:
    value = schema_of(topic.value, components, closed=True)
    fields = {
        "key": {"type": "string", "maxLength": 64},
        "from": ref("Person"),
        "value": {"oneOf": [value, {"type": "null"}], "description": "null: it has ended"} if value else {},
        "at": ref("Time"),
        "expires": ref("Time"),
    }
    one = {"type": "object", "required": [*fields], "properties": fields, "additionalProperties": False}
    properties = {
        "type": {"const": "live"},
        "room": ref("Slug"),
        "topic": {"const": topic.name},
        "values": {"type": "array", "items": one},
    }
    return {"type": "object", "required": [*properties], "properties": properties, "additionalProperties": False}


def _lines(pattern: str, dialect: Any, components: dict[str, Schema]) -> Lines:
    if dialect.line_in is None or dialect.line_out is None:
        raise ValueError(f"dialect {dialect.name!r} needs line_in and line_out")
    clients, server = schema_of(dialect.line_in, components, closed=False), schema_of(dialect.line_out, components, closed=True)
    return Lines(pattern.removesuffix("?"), " ".join((dialect.__doc__ or "").split()), clients, server)


def _error_codes() -> list[str]:
    def below(kind: type[FrameRefused]) -> list[type[FrameRefused]]:
        return [kind, *(each for one in kind.__subclasses__() for each in below(one))]

    return list(dict.fromkeys(one.code for one in below(FrameRefused)[1:] if not one.http_only))


def pascal(kind: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in kind.replace("_", ".").split("."))
