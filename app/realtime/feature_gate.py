"""Refuse calls of a feature that an administrator has switched off."""

from __future__ import annotations

from core.errors import FeatureOff
from core.features import installed
from core.words import words as _
from realtime import hub


async def require(name: str) -> None:
    """Raise FeatureOff if that feature is switched off.

    On the event loop.
    """
    running = hub.current.peek()
    if running is not None:
        await running.switches.ready()
    if name in installed().off:
        raise FeatureOff(_("the feature {name} is switched off", name=name))
