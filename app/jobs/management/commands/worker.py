"""`manage.py worker`: run background tasks until SIGTERM or Ctrl-C.

It finishes the current task before it ends.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from jobs.background import Background


class Command(BaseCommand):
    help = "Run background tasks until stopped."

    def handle(self, *args: Any, **options: Any) -> None:
        background = Background(interval_s=1.0)
        background.worker.configure_signals()
        background.run()
