from __future__ import annotations

import secrets
from typing import Any

from django.db import migrations, models


def make_epoch(apps: Any, schema_editor: Any) -> None:
    apps.get_model("ops", "Installation").objects.filter(epoch="").update(epoch=secrets.token_hex(8))


class Migration(migrations.Migration):
    allowed = {"data_is_moved_alone": "one row"}
    dependencies = [("ops", "0001_installation")]

    operations = [
        migrations.AddField("installation", "epoch", models.CharField(db_default="", max_length=16)),
        migrations.RunPython(make_epoch, migrations.RunPython.noop),
    ]
