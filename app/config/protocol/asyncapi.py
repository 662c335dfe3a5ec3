"""docs/asyncapi.yaml: the hand-written base.yaml with the schemas of all frames.

base.yaml describes the core in words, with examples and with rules that a struct cannot say. A field there replaces the struct's
where it gives a type of its own, and adds to it otherwise. A frame that it does not name gets a message and an operation.
"""

from __future__ import annotations

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from config.protocol.frames import Frames, Lines
from config.protocol.schemas import Schema, ref
from core.features import FrameHandler

BASE = Path(__file__).with_name("base.yaml")
HEADER = """\
# The WebSocket half of Hubbub. docs/protocol.md explains what this file lists; tests/docs/test_asyncapi.py holds it
# against the real server's traffic. The HTTP half is at /api/openapi.json.
# Written by `make protocol`: words and examples are in app/config/protocol/base.yaml, types in the server's structs.
"""
TYPES = {"$ref", "type", "oneOf", "anyOf", "enum", "const", "items"}


class Stale(ValueError):
    """base.yaml names parts that the structs lack."""


def document(frames: Frames) -> str:
    """Return the whole document as YAML.

    Raises Stale.
    """
    found: dict[str, Any] = yaml.safe_load(BASE.read_text())
    native = _Native(found, frames)
    native.add_clients()
    native.add_server()
    native.add_schemas()
    for name, lines in frames.dialects.items():
        _add_dialect(found, name, lines)
    return HEADER + yaml.dump(found, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Native:
    def __init__(self, whole: dict[str, Any], frames: Frames) -> None:
        self.whole, self.frames = whole, frames
        self.messages: dict[str, Any] = whole["components"]["messages"]
        self.listed: dict[str, Any] = whole["channels"]["native"]["messages"]
        # (whether clients send it, type) → name of the message in the channel.
        self.known = {self._place(name): name for name in self.listed}

    def _place(self, name: str) -> tuple[bool, str]:
        component = self.messages[self._component(name)]
        receives = {
            part["$ref"].rpartition("/")[2]
            for operation in self.whole["operations"].values()
            if operation["action"] == "receive" and operation["channel"]["$ref"].endswith("/native")
            for part in operation["messages"]
        }
        return name in receives, str(component["title"])

    def _component(self, name: str) -> str:
        return str(self.listed[name]["$ref"]).rpartition("/")[2]

    def add_clients(self) -> None:
        for kind, (schema, handler) in self.frames.clients.items():
            name = self.known.get((True, kind))
            if name is not None:
                self._fill(name, schema)
            else:
                self._add(kind if kind not in self._sent() else f"{kind}.frame", kind, schema)
                self._receive(kind, handler)

    def _sent(self) -> set[str]:
        return {*self.frames.server, *self.frames.events}

    def add_server(self) -> None:
        push = self.whole["operations"]["push"]["messages"]
        for kind, schema in self.frames.server.items():
            name = self.known.get((False, kind))
            if name is not None:
                self._fill(name, schema)
            else:
                self._add(kind, kind, schema)
                push.append({"$ref": f"#/channels/native/messages/{_escaped(kind)}"})
        for kind in self.frames.events:
            if (False, kind) not in self.known:
                self._add(kind, kind, ref(_schema_name(kind)))
                push.append({"$ref": f"#/channels/native/messages/{_escaped(kind)}"})

    def add_schemas(self) -> None:
        schemas: dict[str, Any] = self.whole["components"]["schemas"]
        for name, schema in self.frames.components.items():
            schemas[name] = _merged(schema, schemas.get(name) or {}, name)
        for kind, schema in self.frames.events.items():
            name = _schema_name(kind)
            schemas[name] = _merged(schema, schemas.get(name) or {}, name)
        schemas["LogEvent"] = {"oneOf": [ref(_schema_name(kind)) for kind in self.frames.events]}
        schemas["Listed"] = {"oneOf": [ref(_schema_name(kind)) for kind in self.frames.listed]}
        schemas["ErrorCode"] = {"type": "string", "enum": self.frames.errors}

    def _fill(self, name: str, schema: Schema) -> None:
        message = self.messages[self._component(name)]
        message["payload"] = _merged(schema, message.get("payload") or {}, name)

    def _add(self, name: str, kind: str, schema: Schema) -> None:
        component = _camel(name)
        self.messages[component] = {"title": kind, "payload": schema}
        self.listed[name] = {"$ref": f"#/components/messages/{component}"}

    def _receive(self, kind: str, handler: FrameHandler) -> None:
        name = kind if kind not in self._sent() else f"{kind}.frame"
        summary = (handler.handle.__doc__ or handler.frame.__doc__ or kind).strip().splitlines()[0].rstrip(".")
        operation: dict[str, Any] = {
            "action": "receive",
            "summary": summary,
            "channel": {"$ref": "#/channels/native"},
            "messages": [{"$ref": f"#/channels/native/messages/{_escaped(name)}"}],
        }
        reply = handler.reply or ("stored" if "key" in handler.frame.__struct_fields__ else "ok")
        if reply != "none":
            found = [{"$ref": f"#/channels/native/messages/{_escaped(one)}"} for one in (reply, "error")]
            operation["reply"] = {"channel": {"$ref": "#/channels/native"}, "messages": found}
        self.whole["operations"][_camel(f"on.{kind}")] = operation


def _add_dialect(whole: dict[str, Any], name: str, lines: Lines) -> None:
    """Add the channel of a feature's dialect."""
    listed = {"refused": {"$ref": "#/components/messages/refused"}}
    for direction, title, schema in (("in", "a line", lines.clients), ("out", "a line of the server", lines.server)):
        component = _camel(f"{name}.{direction}")
        whole["components"]["messages"][component] = {"title": title, "payload": schema}
        listed[direction] = {"$ref": f"#/components/messages/{component}"}
    title = f"{name.replace('_', ' ').capitalize()} dialect"
    whole["channels"][name] = {"title": title, "address": lines.address, "description": lines.description, "messages": listed}
    for action, messages in (("receive", ["in"]), ("send", ["out", "refused"])):
        whole["operations"][_camel(f"{name}.{action}")] = {
            "action": action,
            "channel": {"$ref": f"#/channels/{name}"},
            "messages": [{"$ref": f"#/channels/{name}/messages/{one}"} for one in messages],
        }


def _merged(schema: Schema, words: Schema, where: str) -> Schema:
    """Return the struct's schema with what base.yaml says of it.

    Raises Stale for fields that the struct lacks.
    """
    found = deepcopy(schema)
    found.update((name, part) for name, part in words.items() if name != "properties")
    fields = found.get("properties", {})
    for name, part in words.get("properties", {}).items():
        if name not in fields:
            raise Stale(f"base.yaml describes {name!r} of {where}, which has no such field")
        fields[name] = part if TYPES & part.keys() else {**fields[name], **part}
    return found


def _schema_name(kind: str) -> str:
    camel = _camel(kind)
    return camel[:1].upper() + camel[1:]


def _camel(kind: str) -> str:
    first, *rest = re.split(r"[._]", kind)
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


class _Dumper(yaml.SafeDumper):
    """Writes what yamllint accepts: indented lists, no anchors."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:
        return super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True
