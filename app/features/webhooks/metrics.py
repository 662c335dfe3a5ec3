from __future__ import annotations

from prometheus_client import Counter

POSTED = Counter("hubbub_webhook_messages_total", "Messages posted through webhooks")
