from __future__ import annotations

from core.features import Feature
from rooms import api, blocks_api, mentions_api

FEATURE = Feature(
    name="rooms",
    routers=(("/rooms", api.router), ("/leave", api.many), ("/blocks", blocks_api.router), ("/mentions", mentions_api.router)),
    tasks=("rooms.tasks.quotas_prune", "rooms.tasks.removals_prune"),
)
