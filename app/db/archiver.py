"""Postgres's archiver: whether its log goes to an archive, and whether that works."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.db import connection

# Every role may read both. A replaced command's earlier failures do not count.
STATE = """
SELECT current_setting('archive_mode') <> 'off',
    coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false), last_archived_time, failed_count
FROM pg_stat_archiver
"""


class Archiver(NamedTuple):
    # archive_mode, of any kind of archive.
    is_on: bool
    # The last try failed. Postgres keeps its log and tries again.
    fails: bool
    archived_at: datetime | None
    failures: int


def measure() -> Archiver:
    """Ask the database about its archiver.

    Synchronous, in a database thread. Raises a database error.
    """
    if settings.EMBEDDED:
        return Archiver(is_on=False, fails=False, archived_at=None, failures=0)
    with connection.cursor() as cursor:
        cursor.execute(STATE)
        is_on, fails, archived_at, failures = cursor.fetchone()
    return Archiver(is_on, is_on and fails, archived_at, failures)
