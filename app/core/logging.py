"""Structured logs: one line per event, JSON for machines or console for people. Never a token or a query string."""

from __future__ import annotations

import logging
import logging.config
import re
from typing import Any

import structlog

_QUERY = re.compile(r"\?[^\s\"']*")
_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


class DropQueryStrings(logging.Filter):
    """Removes `?…` from every message: a ticket or token in an address must not be logged."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if "?" in message and "=" in message:
            record.msg, record.args = _QUERY.sub("?…", message), None
        return True


class DropNotUtf8(logging.Filter):
    """Drops uvicorn's traceback for each text frame that is not UTF-8: clients could fill the disk with them."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("Invalid UTF-8 sequence received from client")


def logging_config(level: str, log_format: str) -> None:
    """Set up the loggers: `level` is debug…error, `log_format` json or console."""
    renderer: Any = structlog.processors.JSONRenderer() if log_format == "json" else structlog.dev.ConsoleRenderer(colors=False)
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"queries": {"()": DropQueryStrings}, "not_utf8": {"()": DropNotUtf8}},
            "formatters": {
                "structured": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        structlog.processors.format_exc_info,
                        renderer,
                    ],
                    "foreign_pre_chain": _SHARED,
                }
            },
            "handlers": {
                "stderr": {"class": "logging.StreamHandler", "formatter": "structured", "filters": ["queries"]},
                "refusals": {"class": "core.refusals.SecurityHandler"},
            },
            "root": {"handlers": ["stderr"], "level": level.upper()},
            "loggers": {
                # At info it logs each socket's path and query string.
                "uvicorn.error": {"level": "WARNING", "filters": ["not_utf8"]},
                "uvicorn.access": {"level": "WARNING"},
                "websockets": {"level": "WARNING"},
                "asyncio": {"level": "WARNING"},
                "django.request": {"level": "ERROR"},
                # Any client can send any Host or Origin: a traceback for each request would fill the disk.
                "django.security.DisallowedHost": {"level": "ERROR", "handlers": ["refusals"], "propagate": False},
                "django.security.csrf": {"level": "WARNING", "handlers": ["refusals"], "propagate": False},
                "httpx": {"level": "WARNING"},
            },
        }
    )
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
