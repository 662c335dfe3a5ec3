"""Answer /healthz, /readyz and /metrics before Django.

Probes use an address that ALLOWED_HOSTS lacks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from core import state
from core.metrics import exposition, settle
from core.refusals import note_refusal
from core.services import registered
from db import database
from db.shared_reads import SharedReads
from server import pidfiles

Query = tuple[int, bytes, str]
App = Callable[[dict[str, Any], Any, Any], Awaitable[None]]
JSON = "application/json"

_migrated = False


def with_probes(app: App) -> App:
    """Answer the three probe paths in front of the application."""

    async def probing(scope: dict[str, Any], receive: Any, send: Any) -> None:
        probe = PROBES.get(scope["path"])
        if probe is None:
            await app(scope, receive, send)
            return
        status, body, content_type = await probe()
        headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
        headers.append((b"cache-control", b"no-store"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    return probing


async def healthz() -> Query:
    return 200, b"ok\n", "text/plain"


async def readyz() -> Query:
    """Answer 503 while draining and until migrations are seen.

    An unavailable database or Redis only degrades.

    All replicas share the database: if it made them unready, all would leave the balancer together.
    """
    try:
        migrated = await _migrations(None, None)
        database_answers = True
    except database.DatabaseUnavailable:
        migrated = _seen_migrated()
        database_answers = False
    checks = {"draining": not state.draining, "database": database_answers, "migrations": migrated}
    shared = {"database": database_answers} | {service.name: service.works() for service in registered()}
    degraded = [name for name, answers in shared.items() if not answers]
    ready = checks["draining"] and migrated
    if state.draining:
        note_refusal("drain", "/readyz: this process hands its sockets over", "DRAIN_SECONDS")
    elif not migrated:
        note_refusal("unmigrated", "/readyz: migrations are not applied, or the database was never reached", "DATABASE_URL")
    named = {name: "ok" if good else "failing" for name, good in checks.items()}
    body = {"ready": ready, "checks": named, "degraded": degraded}
    return (200 if ready else 503), msgspec.json.encode(body), JSON


async def metrics() -> Query:
    settle()
    for service in registered():
        await service.measure()
    body, content_type = await asyncio.to_thread(exposition)  # reads every worker's files
    return 200, body, content_type


def _migrations_applied(_key: None) -> bool:
    if _seen_migrated():  # migrations are not undone; from here on the database only has to answer
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return True
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return False
    global _migrated
    _migrated = True
    pidfiles.current().note_migrated()
    return True


# Probes that come together share an answer: as the process' own work it goes before everybody else's.
_migrations = SharedReads(_migrations_applied)


def _seen_migrated() -> bool:
    """Return whether a worker of this server has seen all migrations applied.

    A successor of a dead worker has not seen it itself.
    """
    global _migrated
    _migrated = _migrated or pidfiles.current().seen_migrated()
    return _migrated


PROBES: dict[str, Callable[[], Awaitable[Query]]] = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics}
