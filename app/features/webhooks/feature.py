from __future__ import annotations

from core.features import Feature
from features.webhooks import api

FEATURE = Feature(name="webhooks", routers=(("/hooks", api.router), ("/rooms", api.rooms)))
