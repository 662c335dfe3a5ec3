"""The page that draws places, one readable file to copy.

It speaks the dialect of /ws/location/.
"""

from __future__ import annotations

from django.urls import re_path

from core.demo_pages import demo_page

urlpatterns = (re_path(r"^demo/location/?$", demo_page("location/demo.html"), name="location_demo"),)
