from django.db import migrations, models


class Migration(migrations.Migration):
    """The password that a device was added under.

    Devices of an earlier release get it when they are first read.
    """

    dependencies = [("notifications", "0001_initial")]
    operations = [migrations.AddField("device", "mark", models.CharField(blank=True, db_default="", default="", max_length=64))]
