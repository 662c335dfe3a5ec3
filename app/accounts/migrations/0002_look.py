from django.db import migrations, models

import accounts.names


class Migration(migrations.Migration):
    """Add the column that detects look-alike names.

    The next migration fills it and makes it unique.
    """

    allowed = {
        "index_is_built_beside_writers": "the column was unique before",
        "column_is_not_rewritten": "only texts for people change",
    }
    dependencies = [("accounts", "0001_initial")]
    operations = [
        migrations.AddField(
            model_name="user",
            name="look",
            field=models.CharField(editable=False, max_length=255, null=True),
        ),
        migrations.AlterField(
            model_name="user",
            name="username",
            field=models.CharField(
                error_messages={"unique": "That name is taken."},
                help_text=accounts.names.RULES,
                max_length=64,
                unique=True,
                verbose_name="name",
            ),
        ),
    ]
