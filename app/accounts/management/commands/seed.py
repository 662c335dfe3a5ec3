"""`manage.py seed N`: make N accounts, each with a token, for load runs.

The accounts have no password, which saves N hashes. Works only if ALLOW_SEED is 1, and never in production.
"""

from __future__ import annotations

import argparse
import secrets
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts import services
from accounts.models import User

MOST = 100_000


def count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= MOST:
        raise argparse.ArgumentTypeError(f"use 1 to {MOST}")
    return number


class Command(BaseCommand):
    help = "Make N accounts that only a token opens; prints a token a line."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("number", type=count, metavar="N")

    def handle(self, *args: Any, number: int, **options: Any) -> None:
        if settings.DEPLOYMENT == "production":
            raise CommandError(
                f"this is production (DEPLOYMENT, or PUBLIC_URL={settings.PUBLIC_URL} without it): no account is made here. "
                "Where no person's data is at stake say DEPLOYMENT=staging"
            )
        if not settings.ALLOW_SEED:
            raise CommandError("seeding is off: set ALLOW_SEED=1, on a system that is not in production")
        for _ in range(number):
            user = User(username=f"seed-{secrets.token_hex(8)}")
            user.set_unusable_password()
            user.save()
            self.stdout.write(services.token_create(user=user))
