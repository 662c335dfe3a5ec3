"""frontend/src/protocol.gen.ts: all frames as TypeScript."""

from __future__ import annotations

import json
from typing import Any

from config.protocol.frames import Frames, pascal
from config.protocol.schemas import REF, Schema

HEADER = """\
/**
 * Every frame of the native dialect (`/ws/`), as docs/protocol.md explains it.
 * Written by `make protocol` from the server's structs.
 *
 * Ids of people are integers, `at` is RFC 3339 in UTC, `seq` counts 1, 2, 3, … in each room, lists run oldest first.
 */

export type FrameId = string | number
"""
NAMES = {
    "FrameId": "FrameId | null",
    "Slug": "string",
    "SlugAsWritten": "string",
    "Key": "string",
    "Seq": "number",
    "Target": "number",
    "Time": "string",
    "ErrorCode": "ErrorCode",
    "LogEvent": "KnownEvent",
    "Listed": "KnownListed",
}
SCALARS = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
# A server frame of the same type as one of clients keeps the short name.
SERVER_NAMES = {"error": "ErrorFrame"}


def document(frames: Frames) -> str:
    """Return the whole file."""
    parts = [HEADER]
    parts += [_interface(name, schema) for name, schema in sorted(frames.components.items())]
    parts.append(_union("ErrorCode", [json.dumps(code).replace('"', "'") for code in frames.errors]))
    events = {f"{pascal(kind)}Event": schema for kind, schema in frames.events.items()}
    parts += [_interface(name, schema) for name, schema in events.items()]
    parts.append("/** Events of all kinds; a newer server may have more. */\n" + _union("KnownEvent", [*events]))
    parts.append(_union("KnownListed", [f"{pascal(kind)}Event" for kind in frames.listed]))
    server = {_server_name(kind): schema for kind, schema in frames.server.items() if not kind.startswith("live.")}
    parts += [_interface(name, schema) for name, schema in server.items()]
    parts.append("/** Values of live topics, by topic. */\n" + _topics(frames))
    parts.append(_union("KnownServerFrame", [*server, "KnownEvent"]))
    clients = {f"{pascal(kind)}Frame": schema for kind, (schema, _) in frames.clients.items()}
    # Aliases may go where any fields are taken, interfaces may not.
    parts += [f"export type {name} = {_object(schema, '')}\n" for name, schema in clients.items()]
    parts.append("/** What clients send; `id` comes back as `re`. */\n" + _union("KnownClientFrame", [*clients]))
    return "\n".join(parts)


def _server_name(kind: str) -> str:
    return SERVER_NAMES.get(kind, pascal(kind))


def _union(name: str, types: list[str]) -> str:
    return f"export type {name} =\n" + "".join(f"  | {one}\n" for one in types)


def _interface(name: str, schema: Schema) -> str:
    return f"export interface {name} {_object(schema, '')}\n"


def _topics(frames: Frames) -> str:
    lines = []
    for kind, schema in frames.server.items():
        if kind.startswith("live."):
            value: Any = schema["properties"]["values"]["items"]["properties"]["value"]
            first = value["oneOf"][0] if value else {}
            lines.append(f"  {_field(kind.removeprefix('live.'))}: {_type(first, '  ')}\n")
    return "export interface LiveValues {\n" + "".join(lines) + "}\n"


def _object(schema: Schema, indent: str) -> str:
    fields: dict[str, Schema] = schema.get("properties", {})
    required = set(schema.get("required", ()))
    lines = [
        f"{indent}  {_field(name)}{'' if name in required else '?'}: {_type(part, indent + '  ')}\n"
        for name, part in fields.items()
    ]
    return "{\n" + "".join(lines) + indent + "}"


def _type(schema: Schema, indent: str) -> str:
    if "$ref" in schema:
        name = str(schema["$ref"]).removeprefix(REF)
        return NAMES.get(name, name)
    if "const" in schema:
        return _literal(schema["const"])
    if "enum" in schema:
        return " | ".join(map(_literal, schema["enum"]))
    for either in ("anyOf", "oneOf"):
        if either in schema:
            return " | ".join(dict.fromkeys(_type(one, indent) for one in schema[either]))
    kind = schema.get("type")
    if kind == "array" and "prefixItems" in schema:
        return f"[{', '.join(_type(one, indent) for one in schema['prefixItems'])}]"
    if kind == "array":
        item = _type(schema.get("items", {}), indent)
        return f"({item})[]" if " | " in item else f"{item}[]"
    if kind == "object":
        if schema.get("properties"):
            return _object(schema, indent)
        value = schema.get("additionalProperties", {})
        return f"Record<string, {_type(value if isinstance(value, dict) else {}, indent)}>"
    return SCALARS.get(str(kind), "unknown")


def _literal(value: Any) -> str:
    return "'" + value + "'" if isinstance(value, str) else json.dumps(value)


def _field(name: str) -> str:
    return name if name.isidentifier() else f"'{name}'"
