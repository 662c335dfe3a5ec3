"""Structured logs: one line per event, JSON for machines or console for people.

Never a token or a query string.
"""

from __future__ import annotations

import functools
import logging
import logging.config
import re
import traceback
from collections.abc import Callable, Iterator, MutableMapping
from contextvars import ContextVar, Token
from typing import Any, Protocol, TypeVar

import structlog

_QUERY = re.compile(r"\?[^\s\"']*")
# Packages whose errors quote rows.
QUOTING = frozenset({"psycopg", "psycopg_pool", "sqlite3"})
# The token of a webhook is part of its path.
_HOOK = re.compile(r"(/api/hooks/)[^\s\"'/?]+")


R = TypeVar("R")


class Subject(Protocol):
    """A request or a socket, whose ids each log line of its task carries."""

    def log_ids(self) -> dict[str, Any]: ...


_subject: ContextVar[Subject] = ContextVar("subject")


def about(subject: Subject) -> Token[Subject]:
    """Put the subject's ids into the log lines of this context.

    A callback calls `about_again` at its end.
    """
    return _subject.set(subject)


about_again = _subject.reset


def carrying(work: Callable[[], R]) -> Callable[[], R]:
    """Return `work` for a thread: its log lines carry the same ids as those here."""
    subject = _subject.get(None)
    if subject is None:
        return work

    return functools.partial(_carried, subject, work)


def _carried(subject: Subject, work: Callable[[], R]) -> R:
    earlier = about(subject)
    try:
        return work()
    finally:
        about_again(earlier)


def _add_ids(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    subject = _subject.get(None)
    return event if subject is None else {**subject.log_ids(), **event}


def without_rows(exc_info: Any) -> str:
    """Format a traceback.

    An error of the database says only its type: its text quotes the row, which is what people wrote.
    """
    error = exc_info[1]
    return "\n".join(_lines_of(error, set())) if error is not None else ""


def _lines_of(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    before, how = error.__cause__, "The above exception was the direct cause of the following exception:"
    if before is None and not error.__suppress_context__:
        before, how = error.__context__, "During handling of the above exception, another exception occurred:"
    if before is not None and id(before) not in seen:
        yield from _lines_of(before, seen)
        yield f"\n{how}\n"
    yield "Traceback (most recent call last):"
    yield "".join(traceback.format_tb(error.__traceback__)).rstrip()
    kind = type(error)
    quotes = any(base.__module__.partition(".")[0] in QUOTING or base.__module__ == "django.db.utils" for base in kind.__mro__)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    yield name if quotes else f"{name}: {error}"
    for inner in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from _lines_of(inner, seen)


_SHARED: list[Any] = [
    _add_ids,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


class DropSecrets(logging.Filter):
    """Removes `?…` and the tokens of webhooks from every message.

    Addresses carry tickets and tokens.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if "?" in message and "=" in message:
            message = _QUERY.sub("?…", message)
            record.msg, record.args = message, None
        if "/api/hooks/" in message:
            record.msg, record.args = _HOOK.sub(r"\1…", message), None
        return True


class DropNotUtf8(logging.Filter):
    """Drops uvicorn's traceback for each text frame that is not UTF-8.

    Clients could fill the disk with them.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("Invalid UTF-8 sequence received from client")


def logging_config(level: str, log_format: str) -> None:
    """Set up the loggers: `level` is debug…error, `log_format` json or console."""
    renderer: Any = structlog.processors.JSONRenderer() if log_format == "json" else structlog.dev.ConsoleRenderer(colors=False)
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"secrets": {"()": DropSecrets}, "not_utf8": {"()": DropNotUtf8}},
            "formatters": {
                "structured": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        structlog.processors.ExceptionRenderer(without_rows),
                        renderer,
                    ],
                    "foreign_pre_chain": _SHARED,
                }
            },
            "handlers": {
                "stderr": {"class": "logging.StreamHandler", "formatter": "structured", "filters": ["secrets"]},
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
                # At debug it logs all that a page is made of: the CSRF token, and what people wrote.
                "django.template": {"level": "WARNING"},
                "django.db": {"level": "WARNING"},
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
