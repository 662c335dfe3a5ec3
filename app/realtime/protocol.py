"""The native dialect's frames: decode and validate one frame into a typed struct, encode replies and errors.

A frame type's struct is the second parameter of its handler in config/frames.py.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, Union

import msgspec
from django.conf import settings

from core.errors import BadFrame, BadJson, FrameRefused, UnknownType
from core.heartbeat import HEARTBEAT_S
from realtime.events import DeferredReply, FrameId, Person, encode

VERSION = 1


# What a handler answers: the reply's fields, now or later, or nothing.
Reply = dict[str, Any] | DeferredReply | None
Handler = Callable[[Any, Any], Awaitable[Reply]]
# Handles a frame that waits for nothing here and now. None, with nothing done, when its handler has to.
AtOnce = Callable[[Any, Any], Reply]


class _Header(msgspec.Struct):
    type: str
    id: FrameId = None


class Frames:
    """The tables of config/frames.py, compiled into one decoder."""

    def __init__(self, table: dict[str, Handler], at_once: dict[str, AtOnce]) -> None:
        self.handlers = table
        structs = {kind: _frame_struct(handler) for kind, handler in table.items()}
        # By the struct of their frames, with their type.
        self.at_once = {structs[kind]: (kind, handler) for kind, handler in at_once.items()}
        self._union: Any = Union[tuple(structs.values())]  # noqa: UP007
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(self._union)
        self._header = msgspec.json.Decoder(_Header)

    def decode(self, text: str) -> Any:
        """The struct of one frame. Raises BadJson, BadFrame or UnknownType."""
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
        """The struct of a frame another dialect wrote. Raises BadFrame."""
        try:
            frame = msgspec.convert({"type": kind, **fields}, self._union)
        except msgspec.ValidationError as error:
            raise BadFrame(str(error)) from error
        _refuse_nul(frame)
        return frame

    def id_of(self, text: str) -> FrameId:
        """The `id` of a frame that was refused, where it can be told."""
        try:
            return self._header.decode(text).id
        except msgspec.ValidationError:
            return None
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return _lenient_id(text)

    def _refusal(self, text: str, error: msgspec.ValidationError) -> FrameRefused:
        try:
            msgspec.json.decode(text)  # the typed decoder stops at the first wrong type, whatever follows it
        except (msgspec.DecodeError, UnicodeError, RecursionError) as broken:
            return syntax_error(text, broken)
        try:
            kind = self._header.decode(text).type
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return BadFrame(f"not a frame: {error}")
        if kind not in self.handlers:
            return UnknownType(f"unknown type {kind[:64]!r}")
        return BadFrame(f"{kind}: {error}")


def _frame_struct(handler: Handler) -> Any:
    # Not get_type_hints: a domain knows the socket's type only while types are checked.
    return handler.__globals__[handler.__annotations__["frame"]]


def syntax_error(text: str, error: Exception) -> FrameRefused:
    """What is wrong with a text that the decoder refused: BadJson, or BadFrame when by its grammar it is JSON."""
    # To msgspec a lone surrogate and a number out of range are syntax errors. JSON's grammar allows both, so there the
    # frame is at fault, not the JSON.
    try:
        value = json.loads(text, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return BadFrame("text holds a lone surrogate")
    except (ValueError, RecursionError):
        return BadJson(f"not JSON: {error}")
    return BadFrame(f"not a frame: {error}")


def _lenient_id(text: str) -> FrameId:
    """The `id` of what is JSON to the standard library only, with a lone surrogate somewhere."""
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
        value = getattr(frame, name)
        if isinstance(value, str) and "\0" in value:
            raise BadFrame(f"{name} holds a NUL character")


class Ping(msgspec.Struct, tag="ping"):
    id: FrameId = None


async def ping(socket: object, frame: Ping) -> dict[str, Any]:
    """The frame form; the bare text `ping` is answered by the dialect."""
    return {"type": "pong"}


def hello(user: Person) -> str:
    limits = {"text": settings.MAX_TEXT, "frame": settings.MAX_FRAME, "rate": settings.LIMIT_MESSAGES_PER_S}
    return encode({"type": "hello", "protocol": VERSION, "user": user.wire(), "heartbeat": HEARTBEAT_S, "limits": limits})


def error(re: FrameId, refusal: FrameRefused) -> str:
    return encode({"type": "error", "re": re, "code": refusal.code, "message": refusal.message})
