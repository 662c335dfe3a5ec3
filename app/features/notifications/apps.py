from __future__ import annotations

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "features.notifications"

    def ready(self) -> None:
        # Also while the feature is off: what is kept of people who are deleted goes.
        from features.notifications import receivers  # noqa: F401, PLC0415
