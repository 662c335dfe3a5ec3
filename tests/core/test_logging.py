"""Secrets, rows and tracebacks that must stay out of the logs."""

import json
import logging
import subprocess
import sys

import pytest

from core.logging import DropNotUtf8, DropSecrets
from tests.support.server import ROOT

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


# An error of the database quotes the row: alone, as a cause, as a context, in a group, as Django's own.
FAILURES = """
import logging, sqlite3, psycopg, structlog
from django.db import DataError, IntegrityError
from core.logging import logging_config
logging_config("info", {form!r})
def fail(error, cause=None):
    raise error from cause
def context():
    try:
        fail(psycopg.errors.UniqueViolation("Key (text)=(zqwritten) already exists"))
    except psycopg.Error:
        fail(KeyError("plain"))
def implied():
    try:
        fail(sqlite3.IntegrityError("zqwritten"))
    except sqlite3.Error:
        raise LookupError("plain")
failures = (
    lambda: fail(psycopg.DataError("zqwritten")),
    lambda: fail(IntegrityError("zqwritten"), psycopg.errors.UniqueViolation("zqwritten")),
    lambda: fail(RuntimeError("plain"), DataError("zqwritten")),
    context,
    implied,
    lambda: fail(ExceptionGroup("plain", [ValueError("plain"), psycopg.DataError("zqwritten")])),
)
for one in failures:
    for logger in (logging.getLogger("django.request"), structlog.get_logger("ours")):
        try:
            one()
        except BaseException:
            logger.exception("it failed")
"""


@pytest.mark.parametrize("form", ["json", "console"])
def test_errors_of_the_database_say_their_type_only(form: str) -> None:
    code = FAILURES.format(form=form)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env={"PYTHONPATH": str(ROOT / "app")}, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr.count("it failed") == 12
    assert "zqwritten" not in done.stderr
    for kind in ("psycopg.DataError", "UniqueViolation", "IntegrityError", "RuntimeError: plain", "LookupError: plain"):
        assert kind in done.stderr
    if form == "json":
        assert all("Traceback" in json.loads(line)["exception"] for line in done.stderr.splitlines())
