from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ops", "0002_epoch")]

    operations = [migrations.AddField("installation", "backed_up_at", models.DateTimeField(null=True))]
