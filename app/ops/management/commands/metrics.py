"""`manage.py metrics`: print the figures of the server on HOST and PORT.

Arguments select figures by the beginning of their names.
"""

from __future__ import annotations

import urllib.request
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

TIMEOUT_S = 5


class Command(BaseCommand):
    help = "Prints the metrics of the server on HOST and PORT. nginx does not pass them on."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("prefix", nargs="*", default=[""], help="only names that begin so, such as hubbub_sockets")

    def handle(self, *_: Any, prefix: list[str], **__: Any) -> None:
        host = "127.0.0.1" if settings.LISTEN_HOST in {"0.0.0.0", "::", "[::]"} else settings.LISTEN_HOST  # noqa: S104
        try:
            with urllib.request.urlopen(f"http://{host}:{settings.LISTEN_PORT}/metrics", timeout=TIMEOUT_S) as answer:
                lines = answer.read().decode().splitlines()
        except OSError as error:
            raise CommandError(f"no server answers on {host}:{settings.LISTEN_PORT}: {error}") from error
        found = [line for line in lines if not line.startswith("#") and line.startswith(tuple(prefix))]
        if not found:
            raise CommandError(f"no figure begins with {' or '.join(prefix)}")
        self.stdout.write("\n".join(found))
