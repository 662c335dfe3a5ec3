"""The id of this installation, and the epoch of its logs.

Both are in the database from the first migration on.

The id is part of every name that other installations on the same Redis could use. Redis pub/sub has no database numbers, and
every database numbers rooms and people from 1: without the id, two installations on one server would exchange messages.
INSTALLATION_ID overrides it.

A restored database gives numbers of events out again that clients have seen already. So a restore makes a new epoch, and
clients that know another one start anew.

The row has the time of the newest verified backup, too: its age tells of backups that failed, or never began.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from datetime import datetime
from typing import Any

import structlog
from django.apps import apps
from django.conf import settings
from django.db import Error as DatabaseError
from django.db.models import Q
from django.utils import timezone

from db import database

logger = structlog.get_logger(__name__)

RETRY_S = (0.2, 1.0)

_read_from_database: str | None = None
_epoch: str | None = None


class Unknown(LookupError):
    """The migrations that create the id have not run yet."""


def known() -> str | None:
    """Return the cached id, if any; never queries the database."""
    return settings.INSTALLATION_ID or _read_from_database


def identity() -> str:
    """Return the id, on first use from the database.

    Raises Unknown or a database error.
    """
    global _read_from_database
    found = known()
    if found is None:
        found = _table().objects.values_list("identity", flat=True).first()
        if found is None:
            raise Unknown("the table of the installation's id is empty: run manage.py migrate")
        _read_from_database = found
    return found


async def wait_for_identity() -> str:
    """Wait for the id from the database, however long that takes."""
    said = False
    while (found := known()) is None:
        try:
            return await database.run(identity)
        except (database.DatabaseUnavailable, DatabaseError, Unknown):
            if not said:
                logger.info("the channel layer is joined once the database gives the installation's id")
                said = True
            await asyncio.sleep(random.uniform(*RETRY_S))  # noqa: S311
    return found


async def epoch() -> str:
    """Return the epoch of the logs, which a process reads once from the database.

    Raises DatabaseUnavailable, Unknown or a database error.
    """
    return _epoch if _epoch is not None else await database.run(_read_epoch)


def epoch_now() -> str:
    """Return the epoch as `epoch` does.

    Synchronous, in a database thread.
    """
    return _epoch if _epoch is not None else _read_epoch()


def known_epoch() -> str:
    """Return the cached epoch; "" before the first use of `epoch`."""
    return _epoch or ""


def _read_epoch() -> str:
    global _epoch
    found: str | None = _table().objects.values_list("epoch", flat=True).first()
    if not found:
        raise Unknown("the epoch of the logs is not there: run manage.py migrate")
    _epoch = found
    return found


def replace_epoch() -> None:
    """Tell clients to start anew: the log may lack events that they have.

    Processes tell them from their next start.
    """
    _table().objects.update(epoch=new_epoch())


def new_epoch() -> str:
    """Return an epoch that no client knows."""
    return secrets.token_hex(8)


def replace_identity() -> str:
    """Give this installation a new id and return it.

    Processes use it from their next start. It is a copy of another one, whose backups are none of its own.
    """
    made = secrets.token_hex(8)
    _table().objects.update_or_create(id=1, defaults={"identity": made, "backed_up_at": None})
    return made


def backed_up_at() -> datetime | None:
    """Return the time of the newest verified backup; None while there was none.

    Raises a database error.
    """
    found: datetime | None = _table().objects.values_list("backed_up_at", flat=True).first()
    return found


def note_backup(at: datetime) -> None:
    """Store the time of a verified backup, unless a newer one is stored.

    A time that is yet to come gives way: a clock was wrong. Raises a database error.
    """
    older = Q(backed_up_at=None) | Q(backed_up_at__lt=at) | Q(backed_up_at__gt=timezone.now())
    _table().objects.filter(older).update(backed_up_at=at)


def _table() -> Any:
    return apps.get_model("ops", "Installation")  # the apps are not loaded yet when this module is imported


def shared_name(name: str, identity: str) -> str:
    """Return this installation's form of `name` in a shared service."""
    return f"hubbub:{identity}:{name}"


def cache_key(key: str, prefix: str, version: int) -> str:
    """Make a cache key in Redis (KEY_FUNCTION)."""
    return shared_name(f"cache:{version}:{key}", identity())
