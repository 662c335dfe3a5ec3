"""The administrator's pages in a language: names of models and their fields, too."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.test import RequestFactory
from django.utils import translation

pytestmark = pytest.mark.once
# Shown as they are in every language.
_NAMES = {"ID"}


def _shown() -> dict[str, str]:
    """Return the texts of models on the administrator's pages, by their place."""
    found = {}
    for model, page in admin.site._registry.items():
        meta, label = model._meta, model._meta.label
        if not Path(apps.get_app_config(meta.app_label).path).is_relative_to(settings.APP_DIR):
            continue  # a library's
        found[f"app {meta.app_label}"] = str(apps.get_app_config(meta.app_label).verbose_name)
        found[label] = str(meta.verbose_name)
        found[f"{label}, several"] = str(meta.verbose_name_plural)
        fieldsets = page.get_fieldsets(RequestFactory().get("/"))
        listed = set(page.get_list_display(RequestFactory().get("/")))
        for field in meta.get_fields():
            within = any(field.name in options["fields"] for _, options in fieldsets) or field.name in listed
            if within and hasattr(field, "verbose_name"):
                found[f"{label}.{field.name}"] = str(field.verbose_name)
                found |= {f"{label}.{field.name}={value}": str(text) for value, text in getattr(field, "choices", None) or ()}
    return found


def test_names_of_models_and_fields_are_translated() -> None:
    with translation.override("en"):
        english = _shown()
    with translation.override("zh-hans"):
        chinese = _shown()
    assert {"app rooms", "rooms.Room", "rooms.Room.kind", "rooms.Room.kind=public"} <= chinese.keys()
    assert {place: text for place, text in chinese.items() if text == english[place] and text not in _NAMES} == {}
