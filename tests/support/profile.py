"""The pytest plugin that chooses the tests' servers before Django starts.

HUBBUB_TEST_PROFILE=embedded (the default): SQLite and the in-process layer, as `make run` without any variable.
HUBBUB_TEST_PROFILE=postgres: real Postgres and Redis, private to this run, and servers with two workers, as the stack.
"""

import os
import shutil
import signal
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import NoReturn

import pytest

from config.variables import VARIABLES
from tests.support.leftovers import own_directory, remove_leftovers
from tests.support.services import Postgres, Redis

NAMES = ("embedded", "postgres")


@dataclass(eq=False)
class Profile:
    """The servers of this run.

    `postgres` and `redis` are None in the embedded profile.
    """

    name: str
    data_dir: Path
    # The data_dir of the process that started this one for a part of its tests, or our own.
    run_dir: Path
    postgres: Postgres | None = None
    redis: Redis | None = None
    exits: ExitStack = field(default_factory=ExitStack)

    @property
    def workers(self) -> int:
        """Return the number of workers of this profile's servers."""
        return 1 if self.redis is None else 2


def _choose() -> Profile:
    """Start the profile's servers and export their settings."""
    name = os.environ.get("HUBBUB_TEST_PROFILE", "embedded")
    if name not in NAMES:
        raise pytest.UsageError(f"HUBBUB_TEST_PROFILE is {name!r}; known are {', '.join(NAMES)}")
    for variable in VARIABLES:
        os.environ.pop(variable.name, None)
        os.environ.pop(f"{variable.name}_FILE", None)
    remove_leftovers()
    data_dir = own_directory("tests")
    profile = Profile(name, data_dir, Path(os.environ.setdefault("HUBBUB_TEST_RUN_DIR", str(data_dir))))
    profile.exits.callback(shutil.rmtree, profile.data_dir, ignore_errors=True)
    os.environ["DATA_DIR"] = str(profile.data_dir)
    if name == "postgres":
        profile.postgres = profile.exits.enter_context(Postgres())
        profile.redis = profile.exits.enter_context(Redis())
        os.environ["DATABASE_URL"] = profile.postgres.create_database()
        os.environ["REDIS_URL"] = profile.redis.url
        os.environ["INSTALLATION_ID"] = "test"  # no database is migrated for this process
        os.environ["SECRET_KEY"] = "only-for-tests-" + profile.postgres.password * 3
    return profile


def _end_on_sigterm(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt  # pytest then unwinds as after Ctrl-C and ends all servers and services


profile = _choose()
signal.signal(signal.SIGTERM, _end_on_sigterm)


def pytest_report_header() -> str:
    """Name the profile at the top of the run."""
    return f"profile: {profile.name}"


def pytest_unconfigure() -> None:
    """End the services of this run and remove its data."""
    profile.exits.close()
