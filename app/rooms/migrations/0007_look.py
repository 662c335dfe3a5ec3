from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the column that detects look-alike slugs, and space for longer slugs.

    Case folding doubles some letters.
    """

    allowed = {
        "index_is_built_beside_writers": "the column was unique before",
        "column_is_not_rewritten": "a longer varchar reads no row",
    }
    dependencies = [("rooms", "0006_rooms_by_kind")]
    operations = [
        migrations.AddField(
            model_name="room",
            name="look",
            field=models.CharField(editable=False, max_length=255, null=True),
        ),
        migrations.AlterField(
            model_name="room",
            name="slug",
            field=models.CharField(max_length=192, unique=True),
        ),
    ]
