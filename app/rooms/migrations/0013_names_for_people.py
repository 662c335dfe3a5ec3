from django.db import migrations, models


class Migration(migrations.Migration):
    # Labels of the administrator's pages: the database stays as it is.

    dependencies = [
        ("rooms", "0012_last_read_seq"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterModelOptions(
                    name="room",
                    options={"verbose_name": "room", "verbose_name_plural": "rooms"},
                ),
                migrations.AlterField(
                    model_name="room",
                    name="closed",
                    field=models.BooleanField(db_default=False, default=False, editable=False, verbose_name="closed"),
                ),
                migrations.AlterField(
                    model_name="room",
                    name="head",
                    field=models.BigIntegerField(default=0, verbose_name="last event"),
                ),
                migrations.AlterField(
                    model_name="room",
                    name="kind",
                    field=models.CharField(
                        choices=[("public", "public"), ("private", "private"), ("direct", "direct")],
                        default="public",
                        max_length=8,
                        verbose_name="kind",
                    ),
                ),
                migrations.AlterField(
                    model_name="room",
                    name="last_at",
                    field=models.DateTimeField(null=True, verbose_name="last message"),
                ),
                migrations.AlterField(
                    model_name="room",
                    name="slug",
                    field=models.CharField(max_length=192, unique=True, verbose_name="name in addresses"),
                ),
                migrations.AlterField(
                    model_name="room",
                    name="title",
                    field=models.CharField(blank=True, max_length=120, verbose_name="title"),
                ),
            ],
        ),
    ]
