import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Things on which the server has to act at a time.

    A table of its own: the log's rows are written as before.
    """

    dependencies = [("chat", "0007_append_uncounted"), ("rooms", "0010_uncounted_read")]
    operations = [
        migrations.CreateModel(
            name="Due",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("seq", models.BigIntegerField()),
                ("at", models.DateTimeField(db_index=True)),
                (
                    "room",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="rooms.room",
                    ),
                ),
            ],
            options={"constraints": [models.UniqueConstraint(fields=["room", "seq"], name="one_due_a_thing")]},
        )
    ]
