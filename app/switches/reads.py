"""Read the switches.

Synchronous, in a database thread.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings

from accounts.models import User
from core.features import installed
from switches.models import FeatureOff

# May switch features: superusers, and accounts that were given this permission in the administration.
PERMISSION = "switches.change_featureoff"


def off() -> frozenset[str]:
    """Name the features that are switched off."""
    return frozenset(FeatureOff.objects.values_list("name", flat=True))


def may_switch(user: int) -> bool:
    """Return whether a person may switch features."""
    found = User.objects.filter(id=user, is_active=True).first()
    return found is not None and found.has_perm(PERMISSION)


def features() -> list[dict[str, Any]]:
    """Return every feature of this installation, then the names in FEATURES_OFF.

    The features come in the order of the list.
    """
    switched = {one.name: one for one in FeatureOff.objects.select_related("by")}
    shown = [_shown(feature.name, switched.get(feature.name)) for feature in installed().features]
    return shown + [{**_shown(name, None), "on": False, "by_operator": True} for name in sorted(settings.FEATURES_OFF)]


def _shown(name: str, switch: FeatureOff | None) -> dict[str, Any]:
    by = switch.by.username if switch is not None and switch.by is not None else None
    return {
        "name": name,
        "on": switch is None,
        "by_operator": False,
        "off_by": by,
        "off_at": switch.at if switch is not None else None,
    }
