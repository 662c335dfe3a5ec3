"""`manage.py installation`: show or renew the id of this installation.

It can also tell clients to start anew.
"""

from __future__ import annotations

import argparse
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from db import installation


class Command(BaseCommand):
    help = "Print the id that this installation has in a shared Redis; --new gives a copy of another installation its own."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--new", action="store_true", help="make a new id; restart all processes afterwards")

        parser.add_argument(
            "--new-epoch",
            action="store_true",
            help="the database went back in time otherwise than by manage.py restore: clients start anew; restart all processes",
        )

    def handle(self, *args: Any, new: bool, new_epoch: bool, **options: Any) -> None:
        if new and settings.INSTALLATION_ID:
            raise CommandError("INSTALLATION_ID is set and overrides the database: change or remove it instead")
        try:
            with transaction.atomic():
                if new_epoch:
                    installation.replace_epoch()
                found = installation.replace_identity() if new else installation.identity()
            self.stdout.write(found)
        except installation.Unknown as error:
            raise CommandError(str(error)) from error
        if new or new_epoch:
            self.stderr.write("Restart every process of this installation now: until then they use the id before.")
