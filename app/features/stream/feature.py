"""Server-sent events and POST in place of a WebSocket."""

from __future__ import annotations

from core.features import Feature
from features.stream.api import NoSuchStream, router
from realtime.streams import StreamDialect

FEATURE = Feature(name="stream", routers=(("", router),), errors=(NoSuchStream,), own_dialects=(StreamDialect,))
