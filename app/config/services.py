"""The services of a worker process, in the order in which they stop."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections.abc import Awaitable, Callable

from django.conf import settings
from django.db import ProgrammingError

from chat.group_commit import writer
from core.features import Periodic, installed
from core.services import Service, register
from core.supervise import cancel_all, run_forever
from db import batch_loader, database
from db.database import DatabaseUnavailable
from jobs.background import Background
from jobs.figures import measure_archive, measure_backup, measure_tasks
from realtime import hub

# For each; Prometheus waits 10 s for all figures.
FIGURE_S = 0.5


class BackgroundTasks(Service):
    """Runs in the embedded run only; elsewhere `manage.py worker` is its own process."""

    name = "background"

    def start(self) -> None:
        self._background = Background(interval_s=5.0)
        threading.Thread(target=self._background.run, name="background", daemon=True).start()

    def stop_soon(self) -> None:
        self._background.stop()


class DatabaseFigures(Service):
    """Looks up the waiting tasks, the newest backup, and whether the archive works.

    The background worker has no /metrics of its own.
    """

    name = "figures"

    async def measure(self) -> None:
        # Before their migrations the tables lack columns, or are not there.
        for measure in (measure_tasks, measure_backup, measure_archive):
            with contextlib.suppress(DatabaseUnavailable, ProgrammingError, TimeoutError):
                async with asyncio.timeout(FIGURE_S):
                    await database.run(measure)


class Traces(Service):
    """Start traces, if an endpoint is set."""

    name = "traces"

    def __init__(self) -> None:
        """Wrap the traced methods before another service starts.

        The hub hands its methods on when it is made, so they must be wrapped before. This service ends last.
        """
        from config.traces import Tracing  # noqa: PLC0415  # a package of its own, which few installations have

        self._tracing = Tracing()
        self._tracing.start()

    async def stop(self) -> None:
        await asyncio.to_thread(self._tracing.stop)


class Log(Service):
    """Commits the queue before the process ends."""

    name = "log"

    async def stop(self) -> None:
        await writer().close()


class Sockets(Service):
    """The hub and its connection to the channel layer."""

    name = "layer"

    def start(self) -> None:
        hub.current()

    def works(self) -> bool:
        return hub.current().layer_works

    async def drain(self, spread_s: float, hurry: Callable[[], bool]) -> None:
        await hub.current().handover.drain(spread_s, hurry)

    async def share(self, part: float, per_s: float, wanted: Callable[[], bool]) -> int:
        return await hub.current().handover.share(part, per_s, wanted)

    async def stop(self) -> None:
        await hub.current().stop()


class LookUps(Service):
    """Closes the connections of the event loop's look-ups."""

    name = "lookups"

    async def stop(self) -> None:
        await batch_loader.close()


class PeriodicWork(Service):
    """What features do again and again.

    Each tick waits a little differently, so that processes do not act together.
    """

    name = "periodic"

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        work = [(feature.name, one) for feature in installed().all for one in feature.periodic]
        self._tasks = [loop.create_task(run_forever(_periodic(name, one))) for name, one in work]

    async def stop(self) -> None:
        await cancel_all(self._tasks)


def _periodic(name: str, one: Periodic) -> Callable[[], Awaitable[None]]:
    async def tick() -> None:
        await asyncio.sleep(one.every_s * random.uniform(0.8, 1.2))  # noqa: S311
        if name in installed().off:
            return
        with contextlib.suppress(DatabaseUnavailable):
            await one.run()

    return tick


def register_all() -> None:
    traces = (Traces(),) if settings.TRACES_ENDPOINT else ()
    background = (BackgroundTasks(),) if settings.EMBEDDED else ()
    of_features = [make() for make in installed().every("services")]
    register(*background, PeriodicWork(), DatabaseFigures(), *of_features, Log(), Sockets(), LookUps(), *traces)
