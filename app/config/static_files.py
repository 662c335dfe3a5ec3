"""The files that `collectstatic` collects."""

from django.contrib.staticfiles.apps import StaticFilesConfig


class StaticFiles(StaticFilesConfig):
    """Django's, without unserved files: source maps (5 MiB) and Redoc, a second API browser."""

    ignore_patterns = (*StaticFilesConfig.ignore_patterns, "*.map", "redoc.standalone.js")
