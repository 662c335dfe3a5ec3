"""The age of the newest verified backup."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils import timezone

from db import installation
from ops.doctor.findings import Finding, Options, ok, warning

# One each night, up to 15 minutes late, which may work for six hours: as the rule HubbubBackupOld.
OLD_H = 32


def check_backup(_: Options) -> Iterator[Finding]:
    made = installation.backed_up_at()
    if made is None:
        # No fault: other programs may make them.
        yield ok("backup", "no verified one was made yet; make backup makes one")
        return
    hours = (timezone.now() - made).total_seconds() / 3600
    text = f"the last verified one is {_age(hours)} old"
    if hours > OLD_H:
        yield warning("backup", text, "make backup, and docs/runbooks/backup-old.md")
    else:
        yield ok("backup", text)


def _age(hours: float) -> str:
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{max(0.0, hours):.0f} h"
