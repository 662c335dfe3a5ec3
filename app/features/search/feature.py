from __future__ import annotations

from core.features import Feature, FrameHandler, Periodic
from features.search import api, frames, indexing

FEATURE = Feature(
    name="search",
    # It takes its own, heavier share of LIMIT_CALLS_PER_S.
    frames=(FrameHandler(frames.Search, frames.search, paced=False, reply="search.results"),),
    sends=(frames.SearchResults,),
    routers=(("", api.router),),
    periodic=(Periodic(indexing.index, every_s=indexing.EVERY_S),),
)
