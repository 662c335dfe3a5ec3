"""Background work of notifications."""

from __future__ import annotations

from django_tasks import task

from features.notifications import digest, sweep


@task()
def push_test(user: int) -> dict[str, int]:
    """Send a push to each device of a person; returns how many ended how."""
    return dict(sweep.try_devices(user))


@task()
def email_confirmation(user: int) -> bool:
    """Mail the link that confirms a person's address.

    Return whether there was an address to confirm.
    """
    return digest.confirmation_send(user)
