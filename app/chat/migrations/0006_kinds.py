from django.db import migrations, models


class Migration(migrations.Migration):
    """Events of other kinds than messages.

    Each column is added without touching a row.
    """

    dependencies = [("chat", "0005_joins_beside_commits")]
    operations = [
        migrations.AddField(model_name="event", name="data", field=models.JSONField(null=True)),
        migrations.AddField(model_name="event", name="target", field=models.BigIntegerField(null=True)),
        migrations.AddField(model_name="event", name="uncounted", field=models.BigIntegerField(db_default=0, default=0)),
    ]
