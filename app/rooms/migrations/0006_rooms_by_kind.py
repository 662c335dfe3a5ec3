from django.db import migrations, models

from db.indexes import OnPostgres

INDEX = "rooms_by_kind"


class Migration(migrations.Migration):
    """Add the index for pages of public rooms."""

    atomic = False
    dependencies = [("rooms", "0005_quotas_and_blocks")]
    operations = [
        OnPostgres(
            [migrations.AddIndex(model_name="room", index=models.Index(fields=["kind", "slug"], name=INDEX))],
            forwards=[
                f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}",
                f"CREATE INDEX CONCURRENTLY {INDEX} ON rooms_room (kind, slug)",
            ],
            backwards=[f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}"],
        ),
    ]
