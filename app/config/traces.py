"""Traces from a frame to its delivery, by OpenTelemetry.

They are on where OTEL_EXPORTER_OTLP_ENDPOINT is set:

    message.send          a frame of a socket, until its reply
      commit              from the queue to the end of its transaction
        deliver           to the sockets of this process, and of each other process with sockets of the room

Off, nothing of this is imported. On, `start` puts traced handlers into the table of frames and wraps some methods: a frame's way
has no question whether it is traced. No span holds what people write, or a name.
"""

from __future__ import annotations

import functools
import os
import socket as sockets
import time
from asyncio import Future
from collections.abc import Awaitable, Callable, Sequence
from inspect import isawaitable
from typing import Any
from weakref import WeakKeyDictionary

from django.conf import settings
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import extract, inject
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.util.re import parse_env_headers

from chat.batch import CannotStore, PendingEvent, Stored
from chat.group_commit import GroupCommitter
from core.errors import FrameRefused
from realtime.events import DeferredReply, LogEvent, RoomRef
from realtime.hub import Hub
from realtime.layer.bus import Bus
from realtime.ports import frame_table
from realtime.socket import Socket

# Spans that wait for the exporter; above it new ones are dropped. A collector that is away costs memory for so many.
QUEUE, BATCH, EVERY_MS, EXPORT_S = 4_096, 512, 2_000, 5


class Tracing:
    """One per process, from its start to its end."""

    def __init__(self) -> None:
        about = {"service.name": "hubbub", "service.instance.id": f"{sockets.gethostname()}-{os.getpid()}"}
        sampler = ParentBased(TraceIdRatioBased(settings.TRACES_SHARE))
        self._provider = TracerProvider(sampler=sampler, resource=Resource.create(about), shutdown_on_exit=False)
        endpoint, headers = f"{settings.TRACES_ENDPOINT}/v1/traces", parse_env_headers(settings.TRACES_HEADERS, liberal=True)
        exporter = OTLPSpanExporter(endpoint=endpoint, headers=headers, timeout=EXPORT_S)
        self._provider.add_span_processor(
            BatchSpanProcessor(exporter, max_queue_size=QUEUE, max_export_batch_size=BATCH, schedule_delay_millis=EVERY_MS)
        )
        self._tracer = self._provider.get_tracer("hubbub")
        # Spans of events on their way into the log.
        self._commits: WeakKeyDictionary[Future[Stored], Span] = WeakKeyDictionary()
        # Committed events that are not published yet: (room, seq) → the context of their commit.
        self._committed: dict[tuple[int, int], Context] = {}
        # The trace context of the events being published, for the message to the other processes.
        self._carried: list[str] = []

    def start(self) -> None:
        table = frame_table()
        table.by_struct = {
            frame: (kind, paced, self._traced(kind, handle)) for frame, (kind, paced, handle) in table.by_struct.items()
        }
        _wrap(GroupCommitter, "submit", self._submit)
        _wrap(GroupCommitter, "_stored", self._stored)
        _wrap(GroupCommitter, "_publish_all", self._publish_all)
        _wrap(Hub, "publish_log", self._publish_log)
        _wrap(Hub, "deliver", self._deliver)
        _wrap(Bus, "_signed", self._signed)

    def stop(self) -> None:
        """Export the remaining spans; wait EXPORT_S at most.

        In a thread.
        """
        self._provider.force_flush(EXPORT_S * 1000)
        self._provider.shutdown()

    # --- frames

    def _traced(self, kind: str, handle: Callable[..., Any]) -> Callable[..., Any]:
        def traced(socket: Socket, frame: Any) -> Any:
            span = self._of_frame(socket, kind)
            reply = self._within(span, handle, socket, frame)
            if isawaitable(reply):
                return self._awaited(span, reply)
            self._answered(span, reply)
            return reply

        return traced

    async def _awaited(self, span: Span, waiting: Awaitable[Any]) -> Any:
        with trace.use_span(span, record_exception=False, set_status_on_exception=False):
            try:
                reply = await waiting
            except BaseException as error:
                _end(span, error)
                raise
        self._answered(span, reply)
        return reply

    @staticmethod
    def _within(span: Span, handle: Callable[..., Any], socket: Socket, frame: Any) -> Any:
        """Call a handler; its span ends with its error."""
        with trace.use_span(span, record_exception=False, set_status_on_exception=False):
            try:
                return handle(socket, frame)
            except BaseException as error:
                _end(span, error)
                raise

    def _of_frame(self, socket: Socket, kind: str) -> Span:
        ids = {f"hubbub.{name}": value for name, value in socket.log_ids().items()}
        return self._tracer.start_span(kind, kind=SpanKind.SERVER, attributes=ids)

    @staticmethod
    def _answered(span: Span, reply: Any) -> None:
        if not isinstance(reply, DeferredReply):
            span.end()
            return

        def ended(done: Future[Any]) -> None:
            _end(span, None if done.cancelled() else done.exception())

        reply.done.add_done_callback(ended)

    # --- the log

    def _submit(self, submit: Callable[..., Any], writer: GroupCommitter, append: PendingEvent) -> Future[Stored]:
        future: Future[Stored] = submit(writer, append)
        self._commits[future] = self._tracer.start_span(
            "commit", attributes={"hubbub.room": append.room.id, "hubbub.kind": append.kind}
        )
        return future

    async def _stored(self, stored: Callable[..., Any], writer: GroupCommitter, part: list[PendingEvent]) -> Any:
        begun = time.time_ns()
        results = await stored(writer, part)
        if isinstance(results, CannotStore):  # its halves are tried again
            return results
        for append, result in zip(part, results, strict=True):
            span = self._commits.pop(append.done, None) if append.done is not None else None
            if span is None:
                continue
            span.add_event("transaction", {"hubbub.events": len(part)}, timestamp=begun)
            if isinstance(result, Stored) and not result.duplicate and span.is_recording():
                self._committed[append.room.id, result.seq] = trace.set_span_in_context(span)
            _end(span, result if isinstance(result, Exception) else None)
        return results

    async def _publish_all(
        self,
        publish: Callable[..., Any],
        writer: GroupCommitter,
        part: list[PendingEvent],
        results: Sequence[Any],
        committed: float,
    ) -> None:
        try:
            await publish(writer, part, results, committed)
        finally:
            for append, result in zip(part, results, strict=True):
                if isinstance(result, Stored):
                    self._committed.pop((append.room.id, result.seq), None)

    # --- delivery

    def _publish_log(self, publish: Callable[..., Any], hub: Hub, ref: RoomRef, events: Sequence[LogEvent]) -> None:
        found = (self._committed.pop((ref.id, event.seq), None) for event in events)
        spans = [self._of_delivery(context, "here") for context in found if context is not None]
        for span in spans:
            carrier: dict[str, str] = {}
            inject(carrier, trace.set_span_in_context(span))
            self._carried.append(carrier.get("traceparent", ""))
        try:
            publish(hub, ref, events)
        finally:
            self._carried = []
            for span in spans:
                span.end()

    def _signed(self, signed: Callable[..., dict[str, Any]], bus: Bus, message: dict[str, Any]) -> dict[str, Any]:
        if self._carried and message["kind"] == "log":
            message = {**message, "traces": self._carried}
        return signed(bus, message)

    def _deliver(self, deliver: Callable[..., Any], hub: Hub, messages: list[dict[str, Any]]) -> None:
        contexts = [extract({"traceparent": parent}) for message in messages for parent in message.get("traces", ())]
        spans = [self._of_delivery(context, "layer") for context in contexts]
        try:
            deliver(hub, messages)
        finally:
            for span in spans:
                span.end()

    def _of_delivery(self, context: Context, way: str) -> Span:
        return self._tracer.start_span("deliver", context, SpanKind.INTERNAL, {"hubbub.way": way})


def _wrap(owner: type, name: str, around: Callable[..., Any]) -> None:
    """Have `around` called in place of a method, with the method first."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapped(*arguments: Any) -> Any:
        return around(original, *arguments)

    setattr(owner, name, wrapped)


def _end(span: Span, error: BaseException | None) -> None:
    """End the span.

    Of an error only its code or type: its text may quote a person.
    """
    if error is not None:
        span.set_status(Status(StatusCode.ERROR, error.code if isinstance(error, FrameRefused) else type(error).__name__))
    span.end()
