"""Private names of other packages on which this project relies.

requirements/base.in caps these packages. tests/core/test_upstream.py names each missing name and its purpose.
"""

from __future__ import annotations

from typing import NamedTuple


class Relied(NamedTuple):
    """Names of one object of another package."""

    package: str
    # Module and object, as in "uvicorn.server:Server".
    owner: str
    # The purpose that fails without them.
    purpose: str
    # Methods and class attributes.
    members: tuple[str, ...] = ()
    # Attributes that its methods assign to `self`.
    attributes: tuple[str, ...] = ()


RELIED_ON = (
    Relied(
        "uvicorn",
        "uvicorn.protocols.websockets.websockets_sansio_impl:WebSocketsSansIOProtocol",
        "our WebSocket protocol overrides these methods",
        members=(
            "connection_lost",
            "data_received",
            "eof_received",
            "handle_bytes",
            "handle_close",
            "handle_connect",
            "handle_cont",
            "handle_events",
            "handle_parser_exception",
            "handle_ping",
            "handle_pong",
            "handle_text",
            "keepalive_timeout",
            "on_task_complete",
            "pause_writing",
            "receive",
            "resume_writing",
            "run_asgi",
            "send",
            "shutdown",
            "start_keepalive",
            "stop_keepalive",
        ),
        attributes=(
            "close_sent",
            "close_timer",
            "config",
            "conn",
            "connections",
            "default_headers",
            "disconnected",
            "handshake_complete",
            "handshake_initiated",
            "loop",
            "pending_ping_payload",
            "ping_interval",
            "queue",
            "read_paused",
            "request",
            "response",
            "scope",
            "tasks",
            "transport",
            "writable",
        ),
    ),
    Relied(
        "uvicorn",
        "uvicorn.protocols.http.httptools_impl:HttpToolsProtocol",
        "our limits of requests and the short way to a WebSocket override these methods",
        members=(
            "connection_lost",
            "connection_made",
            "data_received",
            "handle_websocket_upgrade",
            "on_body",
            "on_header",
            "on_headers_complete",
            "on_message_begin",
            "on_message_complete",
            "on_url",
        ),
        attributes=(
            "app_state",
            "asgi_version",
            "client",
            "config",
            "connections",
            "cycle",
            "flow",
            "headers",
            "loop",
            "pipeline",
            "root_path",
            "scheme",
            "scope",
            "server",
            "server_state",
            "transport",
            "url",
            "ws_protocol_class",
        ),
    ),
    Relied(
        "uvicorn",
        "uvicorn.protocols.http.httptools_impl:RequestResponseCycle",
        "each request learns that its connection has ended",
        attributes=("disconnected", "message_event", "response_complete", "response_started"),
    ),
    Relied("uvicorn", "uvicorn.protocols.http.httptools_impl", "a refused request is answered", members=("STATUS_LINE",)),
    Relied(
        "uvicorn", "uvicorn.protocols.utils", "a send to a client that has gone ends the app", members=("ClientDisconnected",)
    ),
    Relied("uvicorn", "uvicorn._types", "types of ASGI messages", members=("ASGIReceiveEvent", "ASGISendEvent")),
    Relied(
        "uvicorn",
        "uvicorn.server:Server",
        "the drain before the server stops",
        members=("handle_exit", "serve", "shutdown", "startup"),
        attributes=("config", "server_state", "servers", "should_exit", "started"),
    ),
    Relied(
        "uvicorn-worker",
        "uvicorn_worker:UvicornWorker",
        "the worker with our protocols and server",
        members=("CONFIG_KWARGS", "_serve"),
        attributes=("config",),
    ),
    Relied(
        "websockets",
        "websockets.server:ServerProtocol",
        "limits on control frames and fragments, and frames parsed without the parser",
        members=(
            "data_to_send",
            "events_received",
            "fail",
            "parse",
            "recv_frame",
            "send_close",
            "send_pong",
            "send_response",
            "state",
        ),
        attributes=("available_extensions", "close_sent", "current_size", "max_message_size", "parser", "reader"),
    ),
    Relied("websockets", "websockets.streams:StreamReader", "knows when the parser is between frames", members=("at_eof",)),
    Relied("websockets", "websockets.datastructures:Headers", "a handshake that is parsed once", members=("set_insecure",)),
    Relied("websockets", "websockets.utils", "unmasks text frames where there is no wheel", members=("apply_mask",)),
    Relied(
        "prometheus-client",
        "prometheus_client:Histogram",
        "histograms that add up in the process and are exported once a second",
        attributes=("_buckets", "_sum", "_upper_bounds"),
    ),
    Relied(
        "redis",
        "redis.asyncio.connection:AbstractConnection",
        "the layer reads and writes the connection that redis-py opens",
        attributes=("_reader", "_writer"),
    ),
    Relied(
        "channels-redis",
        "channels_redis.pubsub:RedisPubSubChannelLayer",
        "one layer per event loop",
        members=("_get_layer",),
        attributes=("_args", "_kwargs", "_layers"),
    ),
    Relied(
        "channels-redis",
        "channels_redis.pubsub:RedisPubSubLoopLayer",
        "connections of our own in place of the layer's",
        members=("_get_group_channel_name", "_get_shard", "flush"),
        attributes=("_shards", "channel_layer", "prefix"),
    ),
    Relied(
        "channels-redis",
        "channels_redis.utils",
        "connections from the layer's hosts",
        members=("_wrap_close", "create_pool", "decode_hosts"),
    ),
)
