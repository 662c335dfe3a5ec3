"""The files that `collectstatic` collects."""

from django.contrib.staticfiles.apps import StaticFilesConfig


class StaticFiles(StaticFilesConfig):
    """Django's static files without source maps (5 MiB) and Redoc.

    Neither is served. Redoc is a second API browser.
    """

    ignore_patterns = (*StaticFilesConfig.ignore_patterns, "*.map", "redoc.standalone.js")
