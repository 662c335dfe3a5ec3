"""The archive of Postgres's log: it takes the log, and has a backup to begin from."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils import timezone

from db import archiver
from ops.doctor.backups import OLD_H
from ops.doctor.findings import Finding, Options, failure, ok, warning

PAGE = "docs/runbooks/disk-full.md"


def check_archive(options: Options) -> Iterator[Finding]:
    """Say nothing where there is no archive."""
    found = archiver.measure()
    if options.archived_at is not None and not found.is_on:
        yield failure("archive", "ARCHIVE_DAYS is set, and Postgres archives nothing", "make up")
    if not found.is_on:
        return
    since = f"since {found.archived_at:%Y-%m-%d %H:%M} UTC" if found.archived_at else "so far"
    if found.fails:
        text = f"it has taken no log {since}, after {found.failures:,} failures; Postgres keeps all of it until the disk is full"
        yield failure("archive", text, f"make archive, or {PAGE}")
    elif options.archived_at == -1:
        yield warning("archive", "pgBackRest does not say which backups there are", "make archive ARGS=--info")
    elif options.archived_at == 0:
        yield warning("archive", "it has no backup of this database, and brings nothing back", "make archive ARGS=--full")
    elif options.archived_at is not None and _hours_since(options.archived_at) > OLD_H:
        yield warning("archive", f"its newest backup is {_hours_since(options.archived_at):,.0f} h old", "make archive")
    else:
        yield ok("archive", f"it takes the log{_newest(options)}")


def _newest(options: Options) -> str:
    if options.archived_at is None:
        return ""
    return f"; its newest backup is {_hours_since(options.archived_at):.0f} h old"


def _hours_since(moment: float) -> float:
    return max(0.0, timezone.now().timestamp() - moment) / 3600
