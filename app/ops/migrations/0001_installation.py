import secrets
from typing import Any

from django.db import migrations, models


def make_identity(apps: Any, schema_editor: Any) -> None:
    apps.get_model("ops", "Installation").objects.get_or_create(id=1, defaults={"identity": secrets.token_hex(8)})


class Migration(migrations.Migration):
    allowed = {"data_is_moved_alone": "one row of a new table"}
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Installation",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("identity", models.CharField(max_length=64)),
            ],
            options={
                "constraints": (models.CheckConstraint(condition=models.Q(("id", 1)), name="ops_installation_one_row"),),
            },
        ),
        migrations.RunPython(make_identity, migrations.RunPython.noop),
    ]
