import hashlib
from typing import Any

from django.db import migrations, models


def mark_devices(apps: Any, _schema_editor: Any) -> None:
    """As `features.notifications.services.mark_of`: the password that the person has now is the device's."""
    devices = apps.get_model("notifications", "Device").objects
    for number, password in list(devices.filter(mark="").values_list("id", "user__password")):
        devices.filter(id=number).update(mark=hashlib.sha256(password.encode()).hexdigest())


class Migration(migrations.Migration):
    dependencies = [("notifications", "0001_initial")]

    operations = [
        migrations.AddField("device", "mark", models.CharField(blank=True, db_default="", default="", max_length=64)),
        migrations.RunPython(mark_devices, migrations.RunPython.noop),
    ]
