"""Secrets and tracebacks that must stay out of the logs."""

import logging

import pytest

from core.logging import DropNotUtf8, DropSecrets

pytestmark = pytest.mark.once


def record(message: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord("uvicorn.error", logging.INFO, "file.py", 1, message, args, None)


@pytest.mark.parametrize(
    ("message", "args", "written"),
    [
        ('%s - "WebSocket %s" [accepted]', ("127.0.0.1", "/ws/?token=s3cret"), '127.0.0.1 - "WebSocket /ws/?…" [accepted]'),
        ("GET /ws/?a=1&ticket=s3cret HTTP/1.1", (), "GET /ws/?… HTTP/1.1"),
        ("two /a?x=s3cret and '/b?y=s3cret'", (), "two /a?… and '/b?…'"),
        ("failed: %s", ("/api/hooks/s3cret?a=b",), "failed: /api/hooks/…?…"),
        ("/api/hooks/s3cret", (), "/api/hooks/…"),
        ("why? no reason", (), "why? no reason"),
        ("nothing %d", (5,), "nothing 5"),
    ],
)
def test_query_strings_are_cut_from_the_log(message: str, args: tuple[object, ...], written: str) -> None:
    one = record(message, *args)
    assert DropSecrets().filter(one)
    assert one.getMessage() == written


def test_clients_cannot_fill_the_log_with_tracebacks() -> None:
    assert not DropNotUtf8().filter(record("Invalid UTF-8 sequence received from client."))
    assert DropNotUtf8().filter(record("something else"))
