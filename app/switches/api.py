"""/api/features: the installation's features, and the switches of administrators."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import StrictBool

from accounts.http_auth import authenticated, person_of, user_id
from db import database
from realtime.publish import changed
from switches import reads, services

router = Router(tags=["features"], auth=authenticated)


class FeatureState(Schema):
    name: str
    on: bool
    # Whether FEATURES_OFF names it: only the operator can change that.
    by_operator: bool
    # Who switched it off, and when.
    off_by: str | None
    off_at: datetime | None


class Features(Schema):
    features: list[FeatureState]
    # Whether I may switch them.
    may_switch: bool


class Switch(Schema):
    on: StrictBool


@router.get("", response=Features, summary="The features of this installation")
async def feature_list(request: HttpRequest) -> dict[str, Any]:
    """Return all features, and who switched the others off."""
    me = user_id(request)
    return await database.run_for(me, lambda: {"features": reads.features(), "may_switch": reads.may_switch(me)})


@router.patch("/{name}", response=Features, summary="Switch a feature, for administrators")
async def feature_switch(request: HttpRequest, name: str, payload: Switch) -> dict[str, Any]:
    """Every process and every open page follows within two seconds."""
    person = person_of(request)

    def switch() -> dict[str, Any]:
        services.feature_switch(user=person.id, user_name=person.name, name=name, on=payload.on)
        return {"features": reads.features(), "may_switch": True}

    found = await database.run_for(person.id, switch)
    changed()
    return found
