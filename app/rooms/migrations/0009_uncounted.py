from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the number of a room's events that do not count as unread.

    Edits, deletions and reactions have a seq, but make no room unread. Up to now there are none.
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
