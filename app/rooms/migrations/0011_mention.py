import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Unread mentions."""

    dependencies = [("rooms", "0010_uncounted_read"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.CreateModel(
            name="Mention",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("seq", models.BigIntegerField()),
                (
                    "room",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="mentions", to="rooms.room", db_index=False),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL, db_index=False
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=["user", "room", "seq"], name="one_mention")],
                "indexes": [models.Index(fields=["room", "seq"], name="mentions_by_event")],
            },
        )
    ]
