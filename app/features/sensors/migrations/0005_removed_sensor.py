import django.db.models.deletion
from django.db import migrations, models

ROOM = models.ForeignKey(
    db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="rooms.room"
)


class Migration(migrations.Migration):
    """A removed sensor has no room, until its readings are deleted."""

    allowed = {
        "column_is_not_rewritten": "NOT NULL goes: nothing is read or written for it",
    }
    dependencies = [("sensors", "0004_alarm_language")]
    operations = [migrations.AlterField("sensor", "room", ROOM)]
