from django.db import migrations, models


class Migration(migrations.Migration):
    """Edits, deletions and reactions have a seq and make no room unread: how many there are.

    Up to now there are none.
    """

    dependencies = [("rooms", "0008_looks")]
    operations = [
        migrations.AddField(
            model_name="room",
            name="amended_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="room",
            name="uncounted",
            field=models.BigIntegerField(db_default=0, default=0, editable=False),
        ),
    ]
