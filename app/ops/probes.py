"""/healthz, /readyz and /metrics, answered before Django: probes come by address, without a Host we know."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from ops import database, state
from ops.metrics import exposition, settle
from realtime import hub

Answer = tuple[int, bytes, str]
App = Callable[[dict[str, Any], Any, Any], Awaitable[None]]
JSON = "application/json"

_migrated = False


def with_probes(app: App) -> App:
    """The application with the three probe paths in front."""

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


async def healthz() -> Answer:
    return 200, b"ok\n", "text/plain"


async def readyz() -> Answer:
    """200 when database and migrations answer and the process is not draining; the layer only degrades."""
    checks = {"draining": not state.draining, "database": False, "migrations": False}
    try:
        checks["migrations"] = await database.run(_migrations_applied)
        checks["database"] = True
    except database.DatabaseUnavailable:
        pass
    degraded = [] if hub.current().bus.healthy else ["layer"]
    ready = all(checks.values())
    named = {name: "ok" if good else "failing" for name, good in checks.items()}
    body = {"ready": ready, "checks": named, "degraded": degraded}
    return (200 if ready else 503), msgspec.json.encode(body), JSON


async def metrics() -> Answer:
    settle()
    body, content_type = await asyncio.to_thread(exposition)  # it reads every worker's files
    return 200, body, content_type


def _migrations_applied() -> bool:
    global _migrated
    if _migrated:  # they do not go away; from here on the database only has to answer
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return True
    executor = MigrationExecutor(connection)
    _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return _migrated


PROBES: dict[str, Callable[[], Awaitable[Answer]]] = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics}
