from __future__ import annotations

from core.features import Feature
from switches import api

FEATURE = Feature(name="switches", routers=(("/features", api.router),))
