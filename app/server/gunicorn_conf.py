"""Gunicorn's hooks. Its options come from scripts/run_gunicorn.sh."""

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
except ImproperlyConfigured as error:  # settings were read for the first time
    sys.exit(f"error: {error}")


def when_ready(server: Any) -> None:
    """Lets `manage.py drain` find this server. It serves without that, too."""
    try:
        here.enter()
    except (OSError, pidfiles.NotPrivate) as error:
        server.log.warning("manage.py drain will not find this server: %s", error)


def child_exit(server: Any, worker: Any) -> None:
    """Takes a dead worker's live gauges out of /metrics, and its place when it had asked for a successor."""
    multiprocess.mark_process_dead(worker.pid)
    here.gone(worker.pid)
    if here.replaced(worker.pid) and server.num_workers > server.cfg.workers:
        server.num_workers -= 1


def on_exit(server: Any) -> None:
    """Removes the metrics directory when scripts/run_gunicorn.sh made it for this run; an operator's own stays."""
    here.leave()
    directory = Path(settings.METRICS_DIR or "")
    if directory.name.startswith("hubbub-metrics."):
        shutil.rmtree(directory, ignore_errors=True)
