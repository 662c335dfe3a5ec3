from django.db import migrations, models


class Migration(migrations.Migration):
    """The field `upto` is called `last_read_seq`.

    Its column keeps its name: the release before still runs.
    """

    dependencies = [("rooms", "0011_mention")]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameField("membership", "upto", "last_read_seq"),
                migrations.AlterField("membership", "last_read_seq", models.BigIntegerField(default=0, db_column="upto")),
            ]
        )
    ]
