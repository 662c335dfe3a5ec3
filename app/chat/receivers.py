"""Queue work in the log for the background worker.

It deletes the remains of people and rooms that are gone, and renames people.
"""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from accounts import signals as accounts
from chat import tasks
from rooms import signals as rooms


@receiver(accounts.shut_out)
def transfer_ownership(user: int, **_: Any) -> None:
    tasks.ownership_pass_on.enqueue(user)


@receiver(accounts.deleted)
def delete_person(user: int, **_: Any) -> None:
    tasks.person_delete.enqueue(user)


@receiver(accounts.renamed)
def rename_person(user: int, **_: Any) -> None:
    tasks.person_rename.enqueue(user)


@receiver(rooms.rooms_closed)
def delete_rooms(**_: Any) -> None:
    tasks.closed_rooms_delete.enqueue()
