from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the same number to memberships, apart from the migration before.

    A transaction that locks two tables waits for readers of both.
    """

    dependencies = [("rooms", "0009_uncounted")]
    operations = [
        migrations.AddField(
            model_name="membership",
            name="uncounted",
            field=models.BigIntegerField(db_default=0, default=0, editable=False),
        ),
    ]
