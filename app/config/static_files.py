"""What `collectstatic` collects."""

from django.contrib.staticfiles.apps import StaticFilesConfig


class StaticFiles(StaticFilesConfig):
    """Django's own, without what nobody is served: source maps (5 MiB) and a second browser of the API."""

    ignore_patterns = (*StaticFilesConfig.ignore_patterns, "*.map", "redoc.standalone.js")
