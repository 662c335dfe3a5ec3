"""Gunicorn's hooks.

Its options come from start.py.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from prometheus_client import multiprocess

from server import pidfiles

try:
    here = pidfiles.current()
except ImproperlyConfigured as error:  # this is the first access to the settings
    sys.exit(f"error: {error}")


def when_ready(server: Any) -> None:
    """Let `manage.py drain` find this server.

    Serving works without it, too.
    """
    try:
        here.enter()
    except (OSError, pidfiles.NotPrivate) as error:
        server.log.warning("manage.py drain will not find this server: %s", error)


def child_exit(server: Any, worker: Any) -> None:
    """Remove a dead worker's live gauges, and its slot if it asked for a successor."""
    multiprocess.mark_process_dead(worker.pid)
    here.gone(worker.pid)
    if here.replaced(worker.pid) and server.num_workers > server.cfg.workers:
        server.num_workers -= 1


def on_exit(server: Any) -> None:
    """Remove the metrics directory if start.py made it.

    Keep an operator's own.
    """
    here.leave()
    directory = Path(settings.METRICS_DIR or "")
    if directory.name.startswith("hubbub-metrics."):
        shutil.rmtree(directory, ignore_errors=True)
