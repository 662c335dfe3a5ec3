"""The page of the simple client of /infra/ws."""

from __future__ import annotations

from django.urls import re_path

from core.demo_pages import demo_page
from core.features import Feature

FEATURE = Feature(
    name="demo", urlpatterns=(re_path(r"^demo/websocket/?$", demo_page("demo/websocket.html"), name="demo_websocket"),)
)
