"""Create the lobby, the room that everyone may join."""

from typing import Any

from django.db import migrations


def make_lobby(apps: Any, schema_editor: Any) -> None:
    apps.get_model("rooms", "Room").objects.get_or_create(slug="lobby", defaults={"title": "Lobby", "kind": "public"})


class Migration(migrations.Migration):
    allowed = {"data_is_moved_alone": "one row"}
    dependencies = [("rooms", "0001_initial")]
    operations = [migrations.RunPython(make_lobby, migrations.RunPython.noop)]
