from __future__ import annotations

from core.features import Feature, FrameHandler
from rooms import api, blocks_api, lists, mentions_api

FEATURE = Feature(
    name="rooms",
    # It takes its own, heavier share of LIMIT_CALLS_PER_S.
    frames=(FrameHandler(lists.ListFilter, lists.list_filter, paced=False, reply="list.page"),),
    sends=(lists.ListPage,),
    lists=(lists.PEOPLE,),
    routers=(("/rooms", api.router), ("/leave", api.many), ("/blocks", blocks_api.router), ("/mentions", mentions_api.router)),
    tasks=("rooms.tasks.quotas_prune", "rooms.tasks.removals_prune"),
)
