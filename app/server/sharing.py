"""Hand over a part of a worker's sockets slowly.

New, nearly empty servers get their share in this way. `manage.py drain --share` asks for it through a file: only files can
address each worker of a listening socket.
"""

from __future__ import annotations

import asyncio
import random

import structlog
from django.conf import settings

from core.services import registered
from server import pidfiles

logger = structlog.get_logger(__name__)

CHECK_EVERY_S = 2.0


async def share_when_asked() -> None:
    """Hand over the requested share, until cancelled."""
    here = pidfiles.current()
    while True:
        await asyncio.sleep(CHECK_EVERY_S * random.uniform(0.7, 1.3))  # noqa: S311
        percent = here.share()
        if percent is None:
            continue
        number = 0
        for service in registered():
            number += await service.share(percent / 100, settings.DRAIN_SHARE_PER_S, lambda: here.share() is not None)
        here.shared()
        logger.info("handed over a share of the sockets", percent=percent, sockets=number)
