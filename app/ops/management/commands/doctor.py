"""`manage.py doctor`: find faults of this installation, and the lines to change.

Exit codes: 0 nothing fails, though there may be warnings; 1 something fails; 2 wrong arguments.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from core.features import installed
from ops.doctor import archive, backups, database, machine, public, redis, replica
from ops.doctor import settings as settings_checks
from ops.doctor.findings import Check, Finding, Level, Options, of_feature, run_checks

CHECKS: dict[str, Check] = {
    "settings": settings_checks.check_settings,
    "database": database.check_database,
    "backup": backups.check_backup,
    "archive": archive.check_archive,
    "replica": replica.check_replica,
    "redis": redis.check_redis,
    "server": public.check_server,
    "public": public.check_public,
    "clock": machine.check_clock,
    "disk": machine.check_disk,
    "files": machine.check_files,
    "workers": machine.check_workers,
    **{name: of_feature(name, check) for name, check in installed().every("checks")},
}
MARKS = {Level.OK: "ok      ", Level.WARNING: "WARNING ", Level.FAILURE: "FAILURE "}


class Command(BaseCommand):
    help = "Checks this installation and says what is wrong and the line to change. Exit codes: 0 sound, 1 something fails."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("only", nargs="*", metavar="CHECK", help=f"only these: {', '.join(CHECKS)}")
        parser.add_argument("--json", action="store_true", help="print an object for programs")
        parser.add_argument(
            "--link", action="store_true", help="print an address that shows, to anybody who opens it, how the request arrived"
        )
        parser.add_argument("--via", type=host_and_port, metavar="HOST:PORT", help="connect there for PUBLIC_URL")
        parser.add_argument("--replicas", type=int, default=1, metavar="N", help="web containers there are")
        parser.add_argument(
            "--disk", action="append", default=[], type=disk, metavar="NAME=DF", help="a further disk: its line of `df -Pk`"
        )
        parser.add_argument(
            "--archive",
            type=newest_archived,
            metavar="JSON",
            help="with ARCHIVE_DAYS: what `pgbackrest --output=json info` says; - for standard input",
        )

    def handle(
        self, *_: Any, only: list[str], link: bool, via: str | None, replicas: int, disk: list[Any], **options: Any
    ) -> None:
        unknown = sorted(set(only) - set(CHECKS))
        if unknown:
            self.stderr.write(f"no check is called {', '.join(unknown)}: {', '.join(CHECKS)}")
            sys.exit(2)
        if link:
            self.stdout.write(public.link())
            return
        chosen = [check for name, check in CHECKS.items() if not only or name in only]
        known = Options(via=via or "", replicas=max(1, replicas), disks=dict(disk), archived_at=options["archive"])
        findings = run_checks(chosen, known)
        failed = self.print_json(findings) if options["json"] else self.print_text(findings)
        if failed:
            sys.exit(1)

    def print_json(self, findings: Iterable[Finding]) -> int:
        rows = [{"check": one.check, "level": str(one.level), "text": one.text, "change": one.change} for one in findings]
        failed = sum(row["level"] == Level.FAILURE for row in rows)
        self.stdout.write(json.dumps({"ok": not failed, "public_url": settings.PUBLIC_URL, "findings": rows}, indent=2))
        return failed

    def print_text(self, findings: Iterable[Finding]) -> int:
        failed = warned = 0
        for one in findings:
            self.stdout.write(f"{MARKS[one.level]} {one.check:<12} {one.text}")
            if one.change:
                self.stdout.write(f"{'':22}→ {one.change}")
            self.stdout.flush()
            failed += one.level == Level.FAILURE
            warned += one.level == Level.WARNING
        self.stdout.write(f"{failed} failed, {warned} warnings" if failed or warned else "All is well.")
        return failed


def host_and_port(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise ArgumentTypeError(f"must be host:port, not {text!r}")
    return text


def disk(text: str) -> tuple[str, tuple[int, int]]:
    """Parse a name and a line of `df -Pk`; return the name, and total and free bytes.

    An example is `postgres=/dev/vda 1000 300 700 30% /data`. Raises ArgumentTypeError.
    """
    name, _, line = text.partition("=")
    columns = line.split()
    if not name or len(columns) < 4 or not (columns[1].isdigit() and columns[3].isdigit()):
        raise ArgumentTypeError(f"must be NAME= and a line of `df -Pk`, not {text!r}")
    return name, (int(columns[1]) * 1024, int(columns[3]) * 1024)


def newest_archived(text: str) -> int:
    """Parse pgBackRest's JSON; return when the newest backup of this database ended.

    In Unix time, 0 without any. `-` stands for standard input. The text is empty if the archive does not answer: -1. Raises
    ArgumentTypeError.
    """
    text = sys.stdin.read().strip() if text == "-" else text
    if not text:
        return -1
    try:
        # The last database is the one whose log is taken; earlier ones were replaced.
        kept = [(backup, one["db"][-1]["id"]) for one in json.loads(text) for backup in one["backup"]]
        return max((int(backup["timestamp"]["stop"]) for backup, now in kept if backup["database"]["id"] == now), default=0)
    except (ValueError, LookupError, TypeError) as error:
        raise ArgumentTypeError(f"must be JSON of pgBackRest, not {text[:40]!r}") from error
