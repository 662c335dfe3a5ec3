"""The pytest plugin that chooses what the tests run on, before Django reads its settings.

HUBBUB_TEST_PROFILE=embedded (the default): SQLite and the in-process layer, as `make run` without any variable.
HUBBUB_TEST_PROFILE=postgres: real Postgres and Redis, private to this run, and servers with two workers, as the stack.
HUBBUB_TEST_COALESCE=turn, off or tick: the way to send of this process, of servers (`Server`) and of the chaos stack.
"""

import os
import shutil
import signal
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import NoReturn

import pytest

from config.variables import VARIABLES
from tests.support.coalesce import COALESCE
from tests.support.leftovers import own_directory, remove_leftovers
from tests.support.services import Postgres, Redis

NAMES = ("embedded", "postgres")
WAY = "HUBBUB_TEST_COALESCE"


@dataclass(eq=False)
class Profile:
    """What this run stands on; `postgres` and `redis` are None in the embedded profile."""

    name: str
    coalesce: str
    data_dir: Path
    postgres: Postgres | None = None
    redis: Redis | None = None
    exits: ExitStack = field(default_factory=ExitStack)

    @property
    def workers(self) -> int:
        """Workers a server of this profile gets."""
        return 1 if self.redis is None else 2

    @property
    def is_asked(self) -> bool:
        """Whether the way to send was asked for, and is not just the default."""
        return WAY in os.environ

    @property
    def sending(self) -> dict[str, str]:
        """Settings of the way to send."""
        return dict(COALESCE[self.coalesce])


def _choose() -> Profile:
    """Start what the profile needs and put its settings into the environment, in place of the developer's own."""
    name = _one_of(NAMES, "HUBBUB_TEST_PROFILE", "embedded")
    coalesce = _one_of(COALESCE, WAY, "turn")
    for variable in VARIABLES:
        os.environ.pop(variable.name, None)
        os.environ.pop(f"{variable.name}_FILE", None)
    remove_leftovers()
    profile = Profile(name, coalesce, own_directory("tests"))
    profile.exits.callback(shutil.rmtree, profile.data_dir, ignore_errors=True)
    os.environ["DATA_DIR"] = str(profile.data_dir)
    os.environ.update(profile.sending)
    if name == "postgres":
        profile.postgres = profile.exits.enter_context(Postgres())
        profile.redis = profile.exits.enter_context(Redis())
        os.environ["DATABASE_URL"] = profile.postgres.create_database()
        os.environ["REDIS_URL"] = profile.redis.url
        os.environ["INSTALLATION_ID"] = "test"  # no database has been migrated for this process
        os.environ["SECRET_KEY"] = "only-for-tests-" + profile.postgres.password * 3
    return profile


def _one_of(known: Iterable[str], variable: str, default: str) -> str:
    """What a variable of the environment says; raises UsageError when that is not known."""
    asked = os.environ.get(variable, default)
    if asked not in known:
        raise pytest.UsageError(f"{variable} is {asked!r}; known are {', '.join(known)}")
    return asked


def _end_on_sigterm(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt  # pytest then unwinds as for Ctrl-C, and no server or service outlives it


profile = _choose()
signal.signal(signal.SIGTERM, _end_on_sigterm)


def pytest_report_header() -> str:
    """Name the profile and the way to send at the top of the run."""
    return f"profile: {profile.name}, coalesce: {profile.coalesce}"


def pytest_unconfigure() -> None:
    """End the services of this run and remove its data."""
    profile.exits.close()
