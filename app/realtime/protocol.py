"""Decode and validate the native dialect's frames; encode replies and errors.

A frame becomes a typed struct. The features bring the frames: each a struct and its handler.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Union

import msgspec
from django.conf import settings

from core.errors import BadFrame, BadJson, FeatureOff, FrameRefused, UnknownType
from core.features import FrameHandler, installed
from core.heartbeat import HEARTBEAT_S
from realtime.events import DeferredReply, FrameId, Person, encode

VERSION = 1


# A handler's result: the reply's fields, now or deferred, or nothing.
Reply = dict[str, Any] | DeferredReply | None


class _Header(msgspec.Struct):
    type: str
    id: FrameId = None


class Frames:
    """The frames of all features, compiled into one decoder."""

    def __init__(self, table: Mapping[str, FrameHandler]) -> None:
        self._types = table.keys()
        # Structs of features that are switched off (realtime/switches.py).
        self.off: frozenset[Any] = frozenset()
        # Struct → (type, whether LIMIT_CALLS_PER_S holds, handler).
        self.by_struct = {one.frame: (one.type, one.paced, one.handle) for one in table.values()}
        structs = [one.frame for one in table.values()]
        self._union: Any = Union[tuple(structs)]  # noqa: UP007
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(self._union)
        self._header = msgspec.json.Decoder(_Header)

    def decode(self, text: str) -> Any:
        """Decode one frame into its struct.

        Raises BadJson, BadFrame or UnknownType.
        """
        try:
            frame = self._decoder.decode(text)
        except msgspec.ValidationError as error:
            raise self._refusal(text, error) from error
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise syntax_error(text, error) from error
        if "\\u0000" in text:
            _refuse_nul(frame)
        return frame

    def convert(self, kind: str, fields: dict[str, Any]) -> Any:
        """Convert another dialect's frame into its struct.

        Raises BadFrame.
        """
        try:
            frame = msgspec.convert({"type": kind, **fields}, self._union)
        except msgspec.ValidationError as error:
            raise BadFrame(str(error)) from error
        _refuse_nul(frame)
        return frame

    @staticmethod
    def refusal_of(frame: msgspec.Struct) -> FeatureOff:
        """Return the refusal of a frame in `off`."""
        return FeatureOff(f"the feature {installed().owner_of(type(frame))} is switched off")

    def id_of(self, text: str) -> FrameId:
        """Return the `id` of a refused frame, if it can be found."""
        try:
            return self._header.decode(text).id
        except msgspec.ValidationError:
            return None
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return _lenient_id(text)

    def _refusal(self, text: str, error: msgspec.ValidationError) -> FrameRefused:
        try:
            msgspec.json.decode(text)  # checks the rest too: the typed decoder stops at the first wrong type
        except (msgspec.DecodeError, UnicodeError, RecursionError) as broken:
            return syntax_error(text, broken)
        try:
            kind = self._header.decode(text).type
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return BadFrame(f"not a frame: {error}")
        if kind not in self._types:
            return UnknownType(f"unknown type {kind[:64]!r}")
        return BadFrame(f"{kind}: {error}")


def syntax_error(text: str, error: Exception) -> FrameRefused:
    """Return the error for a text the decoder refused.

    BadJson, or BadFrame if it is valid JSON.
    """
    # msgspec calls a lone surrogate and a number out of range syntax errors. JSON's grammar allows both, so the frame is at
    # fault there.
    try:
        value = json.loads(text, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return BadFrame("text holds a lone surrogate")
    except (ValueError, RecursionError):
        return BadJson(f"not JSON: {error}")
    return BadFrame(f"not a frame: {error}")


def _lenient_id(text: str) -> FrameId:
    """Return the `id` from JSON with a lone surrogate, which msgspec refuses."""
    try:
        found = json.loads(text)["id"]
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError, KeyError, TypeError):
        return None
    return found if isinstance(found, str | int) and not isinstance(found, bool) else None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _refuse_nul(frame: msgspec.Struct) -> None:
    for name in frame.__struct_fields__:
        if _holds_nul(getattr(frame, name)):
            raise BadFrame(f"{name} holds a NUL character")


def _holds_nul(value: Any) -> bool:
    if isinstance(value, msgspec.Struct):
        value = [getattr(value, name) for name in value.__struct_fields__]
    elif isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list | tuple):
        return any(map(_holds_nul, value))
    return isinstance(value, str) and "\0" in value


class Ping(msgspec.Struct, tag="ping"):
    id: FrameId = None


async def ping(socket: object, frame: Ping) -> dict[str, Any]:
    """Answer the frame `ping`; the dialect answers the bare text `ping`."""
    return {"type": "pong"}


def hello(user: Person, epoch: str, *, stream: str = "") -> str:
    """Encode the greeting.

    `stream`: the name of the stream that carries it, if it is no WebSocket.
    """
    limits = {"text": settings.MAX_TEXT, "frame": settings.MAX_FRAME, "rate": settings.LIMIT_MESSAGES_PER_S}
    fields = {"protocol": VERSION, "user": user.wire(), "heartbeat": HEARTBEAT_S, "limits": limits, "epoch": epoch}
    named = {"stream": stream} if stream else {}
    return encode({"type": "hello", **fields, "features": installed().names, **named})


def error(re: FrameId, refusal: FrameRefused) -> str:
    return encode({"type": "error", "re": re, "code": refusal.code, "message": refusal.message})
