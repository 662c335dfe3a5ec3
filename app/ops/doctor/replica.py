"""Check the replica of REPLICA_URL.

It must answer, be a standby of the same database, and keep up.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db import Error, connections

from db.replica import ALIAS
from ops.doctor.findings import Finding, Options, failure, first_line, ok

PAGE = "docs/high-availability.md#a-replica-for-reads"
CHECK_EVERY_S = 0.1
# The doctor waits no longer for a replica that may be further behind.
WAIT_AT_MOST_S = 10.0
# The same for a standby made from this server; another one has another number.
SERVER = "SELECT system_identifier::text FROM pg_control_system()"


def check_replica(_: Options) -> Iterator[Finding]:
    """Tell of a replica that is not asked; its reads go to the primary meanwhile."""
    if ALIAS not in settings.DATABASES:
        return
    try:
        server = _value("default", SERVER)
    except Error:
        return  # the check of the database says why
    try:
        yield from _replica(server)
    except Error as error:
        yield failure(
            "replica", f"it does not answer, and the primary reads in its place: {first_line(error)}", f"REPLICA_URL: {PAGE}"
        )


def _replica(server: str) -> Iterator[Finding]:
    if not _value(ALIAS, "SELECT pg_is_in_recovery()"):
        yield failure("replica", "it is no standby, and is not asked", "REPLICA_URL must lead to a standby of DATABASE_URL")
    elif _value(ALIAS, SERVER) != server:
        yield failure(
            "replica", "it is a standby of another server than DATABASE_URL", "REPLICA_URL must lead to a standby of DATABASE_URL"
        )
    else:
        yield _lag()


def _lag() -> Finding:
    """Measure the time until the replica has replayed the primary's present state."""
    bound = float(settings.REPLICA_STALENESS_S)
    began = time.monotonic()
    place = _value("default", "SELECT pg_current_wal_lsn()::text")
    while True:
        lacks = int(_value(ALIAS, "SELECT greatest(%s::pg_lsn - coalesce(pg_last_wal_replay_lsn(), '0/0'), 0)", place))
        behind = time.monotonic() - began
        if not lacks:
            return ok("replica", f"a standby, {behind:.1f} s behind at most; REPLICA_STALENESS_S={settings.REPLICA_STALENESS_S}")
        if behind >= min(bound, WAIT_AT_MOST_S):
            break
        time.sleep(CHECK_EVERY_S)
    text = f"it is more than {behind:.0f} s behind ({lacks:,} bytes), and is not asked beyond REPLICA_STALENESS_S={bound:.0f}"
    return failure("replica", text, _remedy())


def _remedy() -> str:
    if _value(ALIAS, "SELECT pg_is_wal_replay_paused()"):
        return "SELECT pg_wal_replay_resume() on the standby"
    if not _value(ALIAS, "SELECT EXISTS (SELECT FROM pg_stat_wal_receiver)"):
        return "primary_conninfo on the standby: it receives nothing from the primary"
    return f"a faster standby, fewer long searches on it, or a larger REPLICA_STALENESS_S: {PAGE}"


def _value(alias: str, statement: str, *values: str) -> Any:
    with connections[alias].cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.fetchone()[0]
