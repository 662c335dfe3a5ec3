"""Background tasks: the Django tasks API on the database, and periodic work.

In containers `manage.py worker` is a process of its own; the embedded run uses a thread.
"""

from __future__ import annotations

import logging
import random
import socket
import threading
import time
from datetime import timedelta

from django.db import DatabaseError, close_old_connections
from django.utils import timezone
from django.utils.module_loading import import_string
from django_tasks_db.management.commands.db_worker import Worker
from django_tasks_db.models import DBTaskResult

from core.features import Routine, installed

logger = logging.getLogger(__name__)

REGULARLY_S = 900.0
KEEP_RESULTS = timedelta(days=7)


class Background:
    """Runs django-tasks' database worker and a schedule.

    Both survive an outage of the database.
    """

    def __init__(self, interval_s: float) -> None:
        self.worker = Worker(
            queue_names=["*"],
            interval=interval_s,
            batch=False,
            backend_name="default",
            startup_delay=True,
            max_tasks=None,
            worker_id=socket.gethostname()[:63],
            excluded_queue_names=[],
        )
        self._stopped = threading.Event()
        self._schedule = threading.Thread(target=self._enqueue_regularly, name="schedule", daemon=True)
        self._routines = [
            threading.Thread(target=self._run_regularly, args=(one,), name=one.name, daemon=True)
            for one in installed().every("routines")
        ]

    def run(self) -> None:
        """Block until `stop`, or until the worker's own signal handler ends the process."""
        self._schedule.start()
        for routine in self._routines:
            routine.start()
        while self.worker.running:
            try:
                self.worker.run()
            except DatabaseError as error:
                logger.warning("background tasks wait for the database: %s", error)
                close_old_connections()
                time.sleep(random.uniform(1, 3))  # noqa: S311

    def stop(self) -> None:
        self._stopped.set()
        self.worker.running = False

    def _run_regularly(self, routine: Routine) -> None:
        while not self._stopped.wait(routine.every_s * random.uniform(0.8, 1.2)):  # noqa: S311
            try:
                routine.run()
            except DatabaseError as error:
                logger.warning("%s waits for the database: %s", routine.name, error)
            except Exception:
                logger.exception("%s failed", routine.name)
            finally:
                close_old_connections()

    def _enqueue_regularly(self) -> None:
        while not self._stopped.wait(REGULARLY_S * random.uniform(0.8, 1.2)):  # noqa: S311
            try:
                for task in map(import_string, installed().every("tasks")):
                    task.enqueue()
                DBTaskResult.objects.filter(finished_at__lt=timezone.now() - KEEP_RESULTS).delete()
            except DatabaseError as error:
                logger.warning("regular tasks could not be enqueued: %s", error)
            finally:
                close_old_connections()
