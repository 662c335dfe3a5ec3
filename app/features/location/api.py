"""What the page's map needs to know."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Schema

from accounts.http_auth import authenticated

router = Router(tags=["location"], auth=authenticated)


class MapOut(Schema):
    # An address with {z}, {x} and {y}; null: the map that comes with the page.
    tiles: str | None
    attribution: str


@router.get("/map", response=MapOut, summary="Where the map's tiles come from")
async def map_settings(request: HttpRequest) -> dict[str, str | None]:
    return {"tiles": settings.TILES_URL, "attribution": settings.TILES_ATTRIBUTION or ""}
