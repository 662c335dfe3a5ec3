"""JSON schemas of structs, with the names of types that many frames share."""

from __future__ import annotations

from typing import Any

import msgspec

Schema = dict[str, Any]
REF = "#/components/schemas/"


def ref(name: str) -> Schema:
    return {"$ref": REF + name}


def schema_of(kind: Any, components: dict[str, Schema], *, closed: bool) -> Schema:
    """Return the schema of a type; add nested structs to `components`.

    `closed`: without fields of other names, as the server sends. Of two nested structs of one name the later is named after the
    struct around it, too.
    """
    (found,), nested = msgspec.json.schema_components([kind], ref_template=REF + "{name}")
    own = found.get("$ref", "").removeprefix(REF)
    tidied = {name: _tidy(schema, closed=closed) for name, schema in nested.items()}
    new_names = {name: f"{own}{name}" for name in tidied if name != own and components.get(name, tidied[name]) != tidied[name]}
    for name, schema in tidied.items():
        if name != own:
            components[new_names.get(name, name)] = _renamed(schema, new_names)
    result: Schema = _renamed(tidied[own] if own else _tidy(found, closed=closed), new_names)
    return result


def _renamed(schema: Any, names: dict[str, str]) -> Any:
    if isinstance(schema, list):
        return [_renamed(one, names) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REF)
        return ref(names.get(name, name))
    return {name: _renamed(part, names) for name, part in schema.items()}


def _tidy(schema: Any, *, closed: bool) -> Any:
    if isinstance(schema, list):
        return [_tidy(one, closed=closed) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "x-name" in schema:
        return ref(schema["x-name"])
    if schema.get("format") == "date-time":
        return ref("Time")
    found = {name: _tidy(part, closed=closed) for name, part in schema.items() if name not in {"title", "default", "description"}}
    if isinstance(schema.get("properties"), dict):
        found["properties"] = {name: _tidy(part, closed=closed) for name, part in schema["properties"].items()}
        if closed:
            found["additionalProperties"] = False
    if len(schema.get("enum", ())) == 1:
        del found["enum"]
        found["const"] = schema["enum"][0]
    return found
