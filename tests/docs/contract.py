"""docs/asyncapi.yaml for the tests: messages by channel, and schemas."""

import contextlib
import json
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import yaml
from jsonschema import Draft7Validator  # type: ignore[import-untyped]

from tests.support.server import ROOT

DOCUMENT = ROOT / "docs" / "asyncapi.yaml"
# Of the package @asyncapi/specs; `scripts/setup node` installs it.
ASYNCAPI = ROOT / "frontend" / "node_modules" / "@asyncapi" / "specs" / "schemas" / "3.0.0-without-$id.json"
Json = dict[str, Any]
# From the server's side, as in AsyncAPI: it receives the clients' messages.
Direction = Literal["receive", "send"]


@cache
def document() -> Json:
    # The parser in C: each process of a run reads it, and Python's takes a second of a core.
    loaded: Json = yaml.load(DOCUMENT.read_text(), yaml.CSafeLoader)
    return loaded


def faults(candidate: Json) -> list[str]:
    """Return why a document is not AsyncAPI 3.0.0."""
    schema = json.loads(ASYNCAPI.read_text())
    return [f"{list(error.absolute_path)}: {error.message}" for error in Draft7Validator(schema).iter_errors(candidate)]


def resolve(pointer: str) -> Json:
    """Return the target of a local `$ref`; raises KeyError without one."""
    found: Any = document()
    for part in pointer.removeprefix("#/").split("/"):
        found = found[part]
    return resolve(found["$ref"]) if set(found) == {"$ref"} else found


@dataclass(frozen=True)
class Message:
    """One message of one channel."""

    channel: str
    name: str
    direction: Direction

    @property
    def definition(self) -> Json:
        return resolve(f"#/channels/{self.channel}/messages/{self.name}")

    @property
    def is_json(self) -> bool:
        return bool(self.definition.get("contentType") != "text/plain")

    @property
    def examples(self) -> list[Any]:
        return [example["payload"] for example in self.definition.get("examples", [])]

    def refuses(self, value: Any) -> list[str]:
        """Return the faults of a payload; empty for a documented one."""
        errors = [error.message for error in _validator(self).iter_errors(value)]
        if errors or not isinstance(value, dict):
            return errors
        for field, schema in self.definition["payload"].get("properties", {}).items():
            if name := schema.get("x-content-schema"):
                errors += [error.message for error in _schema(name).iter_errors(json.loads(value[field]))]
        return errors


@cache
def messages() -> tuple[Message, ...]:
    """Return the messages of every channel by direction; a reply goes the other way."""
    found: dict[Message, None] = {}
    for operation in document()["operations"].values():
        listed = [(operation["action"], operation["messages"])]
        if reply := operation.get("reply"):
            listed.append(("send" if operation["action"] == "receive" else "receive", reply["messages"]))
        for direction, references in listed:
            for reference in references:
                _, _, channel, _, name = reference["$ref"].split("/")
                found[Message(channel, name, direction)] = None
    return tuple(found)


def matching(channel: str, direction: Direction, text: str) -> list[Message]:
    """Return the documented messages that match a captured frame."""
    value: Any = text
    with contextlib.suppress(ValueError):
        value = json.loads(text)
    is_object = isinstance(value, dict)
    return [
        message
        for message in messages()
        if (message.channel, message.direction, message.is_json) == (channel, direction, is_object)
        and not message.refuses(value if is_object else text)
    ]


@cache
def _validator(message: Message) -> Draft7Validator:
    return _with_components(message.definition["payload"])


@cache
def _schema(name: str) -> Draft7Validator:
    return _with_components({"$ref": f"#/components/schemas/{name}"})


def _with_components(schema: Json) -> Draft7Validator:
    # In draft 7 a `$ref` hides its siblings, so the root is wrapped.
    whole = {"allOf": [schema], "components": {"schemas": document()["components"]["schemas"]}}
    Draft7Validator.check_schema(whole)
    return Draft7Validator(whole)
