"""Traces from a frame to its delivery, taken by a collector over OTLP."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.conftest import StartServer
from tests.monitoring.programs import until
from tests.support.chat_client import ChatClient, Refused, create_room, sign_up
from tests.support.profile import Profile
from tests.support.server import ROOT, Server

pytestmark = pytest.mark.fleet

SECRET = "zqsecret"


class Collector:
    """Takes spans over HTTP and keeps them."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.headers: list[dict[str, str]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.path == "/v1/traces"
                collector.headers.append({name.lower(): value for name, value in self.headers.items()})
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    for scope in resource.scope_spans:
                        collector.spans += scope.spans
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


def attributes(span: Span) -> dict[str, Any]:
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


def served_by(server: Server) -> set[int]:
    """Return the processes that hold a client's connection."""
    return {
        pid
        for pid in server.process.members()
        for connection in psutil.Process(pid).net_connections("tcp")
        if connection.laddr.port == server.port and connection.status == psutil.CONN_ESTABLISHED
    }


async def test_frame_is_traced_to_its_delivery(start_server: StartServer, collector: Collector, profile: Profile) -> None:
    server = start_server(
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_EXPORTER_OTLP_HEADERS="x-key=a%20b", OTEL_TRACES_SAMPLER_ARG="1"
    )
    ada = await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    chats = []
    while len(served_by(server)) < profile.workers:  # a busy machine may give dozens to one of them
        chats.append(ChatClient(server.ws_url(), ada))
        await chats[-1].open()
        await chats[-1].join(room)
    for _ in range(3):
        await chats[0].send(room, f"{SECRET} text")
    with pytest.raises(Refused, match="no_such_target"):
        await chats[0].request("message.delete", room=room, target=999, key="k")
    for chat in chats:
        await chat.close()
    until(lambda: len(collector.named("deliver")) >= 3 * profile.workers, "spans arrive")
    assert server.stop() == 0, "the remaining spans are exported at the end"
    sends = collector.named("message.send")
    assert len(sends) == 3
    for send in sends:
        trace = [span for span in collector.spans if span.trace_id == send.trace_id]
        (commit,) = [span for span in trace if span.name == "commit"]
        assert (send.parent_span_id, commit.parent_span_id) == (b"", send.span_id)
        here = [span for span in trace if span.name == "deliver" and span.parent_span_id == commit.span_id]
        assert [attributes(span)["hubbub.way"] for span in here] == ["here"]
        there = [span for span in trace if span.name == "deliver" and span.parent_span_id == here[0].span_id]
        assert [attributes(span)["hubbub.way"] for span in there] == ["layer"] * (profile.workers - 1)
        assert attributes(send)["hubbub.user"] == ada.id
        assert send.start_time_unix_nano <= commit.start_time_unix_nano <= here[0].start_time_unix_nano
    (refused,) = collector.named("message.delete")
    assert refused.status.message == "no_such_target"
    assert all(headers["x-key"] == "a b" for headers in collector.headers)
    assert SECRET not in str(collector.spans)
    assert room not in str(collector.spans)


async def test_collector_that_is_away_disturbs_nobody(start_server: StartServer) -> None:
    server = start_server(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", OTEL_TRACES_SAMPLER_ARG="1")
    ada = await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    async with ChatClient(server.ws_url(), ada) as chat:
        await chat.join(room)
        for _ in range(20):
            await chat.send(room, "hello")
    assert server.stop() == 0


def test_nothing_is_loaded_without_the_setting(start_server: StartServer) -> None:
    """Off costs nothing: handlers and methods are as they were written."""
    server = start_server(OTEL_EXPORTER_OTLP_ENDPOINT="")
    wanted = ("config.traces", "opentelemetry.sdk.trace", "opentelemetry.exporter")  # redis-py loads a part of the rest by itself
    code = f"import sys, config.asgi; print([name for name in sys.modules if name.startswith({wanted})])"
    env = server.env | {"PYTHONPATH": str(ROOT / "app")}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_missing_packages_are_named(start_server: StartServer) -> None:
    server = start_server()
    code = "import sys; sys.modules['opentelemetry'] = None; import django; django.setup()"
    env = server.env | {"PYTHONPATH": str(ROOT / "app"), "DJANGO_SETTINGS_MODULE": "config.settings"}
    env |= {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    assert "requirements/traces.txt" in done.stderr
