import django.db.models.deletion
from django.db import migrations, models

from db.indexes import OnPostgres

INDEX = "rooms_membership_room_id_6917d899"


class Migration(migrations.Migration):
    """Drop an index that repeats the constraint's: both begin with the room."""

    atomic = False
    dependencies = [("rooms", "0003_revocations")]
    operations = [
        OnPostgres(
            [
                migrations.AlterField(
                    model_name="membership",
                    name="room",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="memberships",
                        to="rooms.room",
                    ),
                ),
            ],
            forwards=[f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}"],
            backwards=[
                f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}",
                f"CREATE INDEX CONCURRENTLY {INDEX} ON rooms_membership (room_id)",
            ],
        ),
    ]
