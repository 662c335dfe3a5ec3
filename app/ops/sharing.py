"""A part of a worker's sockets, handed over slowly: new servers, which got few, then have their share.

`manage.py drain --share` asks for it by a file. Nothing else tells two workers of one listening socket apart.
"""

from __future__ import annotations

import asyncio
import random

import structlog
from django.conf import settings

from ops import instance
from realtime import hub

log = structlog.get_logger(__name__)

LOOK_S = 2.0


async def share_when_asked() -> None:
    """Until cancelled."""
    here = instance.current()
    while True:
        await asyncio.sleep(LOOK_S * random.uniform(0.7, 1.3))  # noqa: S311
        percent = here.share()
        if percent is None:
            continue
        number = await hub.current().share(percent / 100, settings.DRAIN_SHARE_PER_S, wanted=lambda: here.share() is not None)
        here.shared()
        log.info("handed over a share of the sockets", percent=percent, sockets=number)
