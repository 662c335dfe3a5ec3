from __future__ import annotations

from core.features import Feature

FEATURE = Feature(name="changes", tasks=("changes.tasks.journal_prune",))
