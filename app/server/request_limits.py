"""uvicorn's HTTP protocol with its own limits, for servers without nginx in front.

The parser collects header bytes without a bound, and the app spools a body before it authenticates. Here a request that is
too large, too slow or one too many is refused before that; the rest of its bytes is discarded.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from django.conf import settings
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from core.features import LargeBody, installed
from core.refusals import note_refusal

URL_BYTES = 8_192
# Request line and headers together; nginx accepts 4 × 8 KiB.
HEAD_BYTES = 65_536
# One header.
HEADER_BYTES = 16_384
HEADERS = 128
# From the connection, or the first byte, to the end of the headers.
HEAD_S = 10.0
# From the headers to the end of the body, which has at most settings.DATA_UPLOAD_MAX_MEMORY_SIZE bytes. Features name paths with
# larger bodies, which take longer.
BODY_S = 60.0
# Chunk sizes and trailers of a body, in multiples of the size limit of ordinary ones.
FRAMING = 7
# Requests received before the first one is answered.
PIPELINED = 16
# How long the input of a refused client is read and discarded. Closing with unread bytes makes the kernel send a reset, which
# would overtake the answer.
LINGER_S = 2.0
# How long an answer may stay unsent because its client reads nothing; nginx has 60 s (send_timeout).
UNSENT_S = 30.0
_CODES = {408: "too_slow", 413: "too_large", 414: "too_large", 429: "rate_limited", 431: "too_large", 400: "invalid"}


class RequestLimits(HttpToolsProtocol):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._url_bytes = self._head_bytes = self._body_bytes = self._raw_bytes = 0
        self._most_bytes = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        self._in_head = True
        # Whether a request ended within the bytes just received.
        self._ended = False
        self._refusal: tuple[int, str] | None = None
        self._refused = self._upgraded = False
        self._deadline: asyncio.TimerHandle | None = None
        self._unanswered: list[RequestResponseCycle] = []
        self._unsent: asyncio.TimerHandle | None = None

    # --- time

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._clear_deadline()
        self._clear_unsent()
        self._give_up()
        super().connection_lost(exc)

    def _give_up(self) -> bool:
        """Tell the running apps that the client has disconnected.

        Return whether a response had begun.

        The base class tells only the latest of pipelined requests; another one would write to a closed connection.
        """
        begun = False
        for cycle in self._unanswered:
            begun = begun or (cycle.response_started and not cycle.response_complete)
            cycle.disconnected = True
            cycle.message_event.set()
        self._unanswered.clear()
        return begun

    def _begin_head(self) -> None:
        self._set_deadline(HEAD_S)
        self._in_head = True
        self._url_bytes = self._head_bytes = self._body_bytes = self._raw_bytes = 0

    def _set_deadline(self, seconds: float) -> None:
        self._clear_deadline()
        self._deadline = self.loop.call_later(seconds, self._too_slow)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        if self._in_head and not self._head_bytes and not self._url_bytes:
            self.transport.close()  # there was no request
        else:
            self._refuse(408, "the request took too long to arrive")

    # --- an unsent answer

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_unsent()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._clear_unsent()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._watch_unsent()  # closing waits for the unsent bytes

    def _watch_unsent(self) -> None:
        if self._unsent is None and not self._upgraded:
            self._unsent = self.loop.call_later(UNSENT_S, self._check_unsent, self.transport.get_write_buffer_size())

    def _check_unsent(self, before: int) -> None:
        self._unsent = None
        if self._upgraded:
            return
        left = self.transport.get_write_buffer_size()
        if left and left >= before:
            # The public name of the kind: docs/observability.md.
            note_refusal("unread", self.client[0] if self.client else "?", "")
            self.transport.abort()
        elif left:
            self._watch_unsent()

    def _clear_unsent(self) -> None:
        if self._unsent is not None:
            self._unsent.cancel()
            self._unsent = None

    # --- size

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        was_in_head, self._ended = self._in_head, False
        super().data_received(data)
        if self._upgraded:
            return
        # The parser reports complete headers only: an unfinished header or chunk counts by the bytes received. Where a request
        # ended among them, body and all, counting begins with the next ones.
        if was_in_head and self._in_head and not self._ended:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refusal = self._refusal or (431, f"the headers have more than {HEAD_BYTES} bytes")
        elif not self._in_head:
            self._raw_bytes += len(data)
            if self._raw_bytes > self._most_bytes + FRAMING * settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
                self._refusal = self._refusal or (413, "the body's chunks are mostly framing")
        if self._refusal is not None:
            self._refuse(*self._refusal)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begin_head()

    def on_url(self, url: bytes) -> None:
        self._url_bytes += len(url)
        if self._url_bytes > URL_BYTES:
            self._refusal = self._refusal or (414, f"the address has more than {URL_BYTES} bytes")
        elif self._refusal is None:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._refusal is not None:
            return
        if len(name) + len(value) > HEADER_BYTES or len(self.headers) >= HEADERS:
            self._refusal = 431, f"more than {HEADERS} headers, or one with more than {HEADER_BYTES} bytes"
            return
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        large = None if self._refusal is not None else self._large_body()
        self._most_bytes = settings.DATA_UPLOAD_MAX_MEMORY_SIZE if large is None else large.most()
        self._set_deadline(BODY_S if large is None else large.within_s)
        if self._refusal is None and len(self.pipeline) >= PIPELINED:
            self._refusal = 429, f"more than {PIPELINED} requests at a time on one connection"
        length = next((value for name, value in self.headers if name == b"content-length"), b"0")
        if self._refusal is None and length.strip().isdigit() and int(length[:20]) > self._most_bytes:
            self._refusal = 413, f"the body has more than {self._most_bytes} bytes"
        if self._refusal is None:
            latest: Any = self.cycle
            super().on_headers_complete()
            if self.cycle is not latest:  # a handshake makes none
                self._unanswered = [cycle for cycle in self._unanswered if not cycle.response_complete] + [self.cycle]

    def _large_body(self) -> LargeBody | None:
        method = self.parser.get_method()
        if method == b"GET":
            return None
        return installed().body_of(method.decode(), unquote(self.url.partition(b"?")[0].decode("ascii", "replace")))

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > self._most_bytes:
            self._refusal = self._refusal or (413, f"the body has more than {self._most_bytes} bytes")
        if self._refusal is None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._clear_deadline()
        self._in_head = self._ended = True
        self._url_bytes = self._head_bytes = 0
        if self._refusal is None:
            super().on_message_complete()

    @property
    def refused(self) -> bool:
        return self._refusal is not None or self._refused

    def end_limits(self) -> None:
        """Lift the HTTP limits: the connection has become a WebSocket."""
        self._upgraded = True
        self._clear_deadline()

    # --- the answer

    def _refuse(self, status: int, detail: str) -> None:
        """Answer, stop reading requests, and close once the client could read it."""
        self._refused = True
        self._clear_deadline()
        note_refusal(f"request_{status}", self.client[0] if self.client else "?", "")
        if self.transport.is_closing():
            return
        # No second response may follow a response that has begun, or that came before the body was complete.
        latest: Any = self.cycle
        answered = self._give_up() or (not self._in_head and latest is not None and latest.response_complete)
        self.pipeline.clear()
        if not answered:
            self.transport.write(self._answer(status, detail))
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._deadline = self.loop.call_later(LINGER_S, self.transport.abort)

    def _answer(self, status: int, detail: str) -> bytes:
        problem = {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
            "code": _CODES[status],
        }
        body = json.dumps(problem).encode()
        head = [STATUS_LINE[status], b"content-type: application/problem+json\r\n", b"connection: close\r\n"]
        head += [name + b": " + value + b"\r\n" for name, value in self.server_state.default_headers]
        return b"".join([*head, b"content-length: %d\r\n\r\n" % len(body), body])
