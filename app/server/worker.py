"""The Gunicorn worker: uvicorn's, with Hubbub's WebSocket settings."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings
from gunicorn.arbiter import Arbiter
from uvicorn_worker import UvicornWorker

from core.heartbeat import HEARTBEAT_S
from server import grace
from server.draining_server import DrainingServer
from server.http_protocol import HttpProtocol
from server.websocket.socket_protocol import SocketProtocol


class HubbubWorker(UvicornWorker):
    CONFIG_KWARGS: dict[str, Any] = {
        "loop": "uvloop",
        "http": HttpProtocol,
        "lifespan": "on",
        "ws": SocketProtocol,
        "ws_max_size": settings.MAX_FRAME,
        "ws_ping_interval": float(HEARTBEAT_S),  # also the time limit for a pong
        "ws_per_message_deflate": settings.WS_COMPRESSION,
        # uvicorn's default waits for ever, until Gunicorn kills the worker.
        "timeout_graceful_shutdown": grace.http_finish_s(),
        "server_header": False,
        "access_log": False,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # uvicorn logs each handshake with its query string at info: tickets and tokens would be logged.
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)

    async def _serve(self) -> None:
        # As in the base class, which cannot use another server class.
        self.config.app = self.wsgi
        server = DrainingServer(config=self.config)
        # Gunicorn sends SIGQUIT for a quick stop: on Ctrl-C, and on a second SIGINT while it waits.
        asyncio.get_running_loop().add_signal_handler(signal.SIGQUIT, server.hurry)
        # Pass plain sockets: uvloop closes Gunicorn's wrappers a second time, which logs an error.
        await server.serve(sockets=[listening.sock for listening in self.sockets])
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
