"""The result of a check, and how checks are run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from django.db import DatabaseError

from core.features import DoctorCheck

# A fault of these explains errors of the database in other checks.
OF_THE_DATABASE = frozenset({"database", "migrations"})


class Level(StrEnum):
    OK = "ok"
    # Works, but not as well or as safely as it could.
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Finding:
    check: str
    level: Level
    text: str
    # What to change: a setting, a line of a file, or a command. Empty where nothing is wrong.
    change: str = ""


@dataclass(frozen=True)
class Options:
    """What the caller knows and this process cannot see."""

    # host:port to connect to in place of PUBLIC_URL's, where that leads nowhere from here.
    via: str = ""
    # Web containers, for the sum of database connections.
    replicas: int = 1
    # Further disks, by name: total and free bytes.
    disks: dict[str, tuple[int, int]] = field(default_factory=dict)
    # Unix time of the archive's newest backup of this database, 0 without any, -1 if it is unknown; None without ARCHIVE_DAYS.
    archived_at: int | None = None
    # Seconds for each step of the network.
    timeout: float = 5.0


Check = Callable[[Options], Iterable[Finding]]


def ok(check: str, text: str) -> Finding:
    return Finding(check, Level.OK, text)


def warning(check: str, text: str, change: str) -> Finding:
    return Finding(check, Level.WARNING, text, change)


def failure(check: str, text: str, change: str) -> Finding:
    return Finding(check, Level.FAILURE, text, change)


def of_feature(name: str, check: DoctorCheck) -> Check:
    """Return a feature's check in the form of our own."""

    def run(options: Options) -> Iterator[Finding]:
        for found in check(options.timeout):
            yield Finding(name, Level(found.level), found.text, found.change)

    run.__name__ = f"check_{name}"
    return run


def run_checks(checks: Iterable[Check], options: Options) -> Iterator[Finding]:
    """Run each check.

    One that raises is a failure of its name; the others still run.
    """
    explained = False
    for check in checks:
        try:
            for found in check(options):
                explained |= found.level == Level.FAILURE and found.check in OF_THE_DATABASE
                yield found
        except DatabaseError as error:
            if explained:
                yield warning(
                    _name(check), "not looked at: it needs the database, with which something is wrong", "the line above"
                )
            else:
                yield _failed(check, error)
        except Exception as error:  # noqa: BLE001 - a doctor that dies at the first fault tells of one fault only
            yield _failed(check, error)


def _failed(check: Check, error: Exception) -> Finding:
    return failure(_name(check), f"the check itself failed: {type(error).__name__}: {first_line(error)}", "")


def first_line(error: object) -> str:
    return str(error).strip().partition("\n")[0]


def _name(check: Check) -> str:
    return getattr(check, "__name__", "check").removeprefix("check_")
