"""Apply the switches of features (app/switches) to this process and its sockets.

The journal brings each change, as it brings all others: at once through the layer, else by the poll. A process reads the
switches before its first socket and its first call of a feature's API, so it never serves a feature that is off.
"""

from __future__ import annotations

import structlog

from core import metrics
from core.errors import Close
from core.features import installed
from realtime import tell
from realtime.events import encode
from realtime.ports import domains, frame_table
from realtime.registry import Registry

logger = structlog.get_logger(__name__)


class Switches:
    """One per hub."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        # Whether the switches were read once.
        self.known = False

    async def ready(self) -> None:
        """Read the switches unless they are known.

        Raises DatabaseUnavailable.
        """
        if not self.known:
            await self.read()

    async def read(self) -> None:
        """Read the switches and act on what changed.

        Raises DatabaseUnavailable.
        """
        off = await domains().features_off()
        self.known = True
        if self._apply(off):
            await self._push_features()

    def _apply(self, off: frozenset[str]) -> bool:
        features = installed()
        if not features.switch(off):
            return False
        frame_table().off = features.refused
        domains().hide_kinds([kind for feature in features.features if feature.name in features.off for kind in feature.events])
        metrics.FEATURES_OFF.set(len(features.off))
        logger.info("features are switched", off=sorted(features.off), on=features.names)
        return True

    async def _push_features(self) -> None:
        """Send every socket the features that are on.

        The sockets of a dialect that is off are closed.
        """
        refused = installed().refused
        sockets = self._registry.sockets()
        for socket in sockets:
            if socket.served in refused:
                # The client comes back, and its handshake is refused by name.
                socket.close_soon(Close.RESTART, "the feature is switched off")
        await tell.push(sockets, encode({"type": "features.updated", "features": installed().names}))
