from __future__ import annotations

from accounts import api
from core.features import Feature

FEATURE = Feature(name="accounts", routers=(("", api.router),), tasks=("accounts.tasks.expired_prune",))
