"""What is kept of people who are deleted goes with them."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from accounts import signals as accounts
from features.notifications import services


@receiver(accounts.deleted)
def forget_person(user: int, **_: Any) -> None:
    services.person_forget(user=user)
