from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings

from config import features


class Features(AppConfig):
    """The last app: it loads the features once all models are there."""

    name = "config"

    def ready(self) -> None:
        features.install(settings.FEATURES_OFF)
