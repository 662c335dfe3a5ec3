"""Switch features off and on while the installation runs.

Synchronous, in a database thread.
"""

from __future__ import annotations

import structlog
from django.conf import settings

from core.errors import Forbidden, NoSuchTarget
from core.features import installed
from core.words import words as _
from switches.models import FeatureOff
from switches.reads import may_switch

logger = structlog.get_logger(__name__)


def feature_switch(*, user: int, user_name: str, name: str, on: bool) -> None:
    """Switch a feature.

    Doing it twice changes nothing.

    Raises Forbidden for all but administrators and for a feature that FEATURES_OFF names, NoSuchTarget for any other name.
    """
    if not may_switch(user):
        raise Forbidden(_("only an administrator switches features"))
    if name in settings.FEATURES_OFF:
        raise Forbidden(_("the operator has switched {name} off (FEATURES_OFF)", name=name))
    if name not in {feature.name for feature in installed().features}:
        raise NoSuchTarget(_("there is no feature {name} that can be switched", name=name[:64]))
    if on:
        changed = FeatureOff.objects.filter(name=name).delete()[0] > 0
    else:
        changed = FeatureOff.objects.get_or_create(name=name, defaults={"by_id": user})[1]
    if changed:
        logger.info("a feature was switched", feature=name, on=on, user=user, user_name=user_name)
