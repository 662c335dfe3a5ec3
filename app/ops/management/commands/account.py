"""`manage.py account NAME`: show an account's use; shut it out or let it in again.

Exit codes: 0 done; 1 not, and the message says why; 3 with --new: no account may get this name.
"""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from accounts import signals
from accounts.models import User

REFUSED = 3


class Command(BaseCommand):
    help = "Shows an account. --shut ends its sockets and sign-ins at once and keeps its messages; --open lets it in again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--shut", action="store_true", help="shut it out")
        which.add_argument("--open", action="store_true", help="let it in again")

        which.add_argument("--new", action="store_true", help="say whether a new account may get the name; ask no database")

    def handle(self, *_: Any, name: str, shut: bool, open: bool, new: bool, **__: Any) -> None:  # noqa: A002 - the option's name
        if new:
            self.check_new(name)
            return
        user = User.objects.by_name(name).first()
        if user is None:
            raise CommandError(f"there is no account {name}")
        if shut or open:
            self.change(user, is_active=open)
        hour_ago = timezone.now() - timedelta(hours=1)
        written = apps.get_model("chat", "Event").objects.filter(author_id=user.pk, at__gte=hour_ago).count()
        state = "may sign in" if user.is_active else "is shut out"
        if user.is_superuser:
            state += " and is an administrator"
        self.stdout.write(
            f"{user.username} (id {user.pk}, since {user.date_joined:%Y-%m-%d}) {state}; {written} events in the past hour"
        )

    @staticmethod
    def check_new(name: str) -> None:
        try:
            User.objects.new_name(name)
        except ValidationError as error:
            raise CommandError(f"{name!r} is no name for an account: {' '.join(error.messages)}", returncode=REFUSED) from error

    @staticmethod
    def change(user: User, *, is_active: bool) -> None:
        with transaction.atomic():
            user.is_active = is_active
            user.save(update_fields=["is_active"])
            if not is_active:
                transaction.on_commit(lambda: signals.shut_out.send(User, user=user.pk))
