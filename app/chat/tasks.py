"""Background work that touches the log."""

from __future__ import annotations

from django_tasks import task

from chat import deletion
from rooms import leaving


@task()
def closed_rooms_delete() -> int:
    """Deletes closed rooms with their messages; returns how many."""
    return deletion.closed_rooms_delete()


@task()
def person_delete(user: int) -> None:
    """Deletes an account that was shut out."""
    deletion.person_delete(user=user)


@task()
def person_rename(user: int) -> None:
    """Write a person's present name into the things that name them."""
    deletion.person_rename(user=user)


@task()
def ownership_transfer(user: int) -> None:
    """Give the rooms whose only owner is shut out another owner."""
    leaving.ownership_transfer(user=user)


@task()
def ownership_pass_on(user: int) -> None:
    """Do the same under the name in the queue of the release before.

    A worker of that release still runs during a roll and knows this name only: enqueue `ownership_transfer` from the next
    release on, and drop this one in the release after it.
    """
    leaving.ownership_transfer(user=user)
