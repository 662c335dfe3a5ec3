from typing import Any

from django.db import migrations, models

from db.indexes import OnPostgres
from db.look_migration import fill_looks
from core.lookalikes import look_of, without_ignorables

INDEX = "rooms_room_look_key"


def rename(room: Any, rooms: Any) -> None:
    """Remove invisible characters from a slug; if the result is taken, append the id."""
    clean = without_ignorables(room.slug)
    if clean == room.slug:
        return
    if not clean or rooms.filter(slug=clean).exists():
        clean = f"{clean or 'room'}-{room.pk}"
    room.slug = clean


def fill(apps: Any, schema_editor: Any) -> None:
    rooms = apps.get_model("rooms", "Room").objects.using(schema_editor.connection.alias)
    fill_looks(rooms, ["slug"], rename, lambda room: None if room.kind == "direct" else look_of(room.slug))


class Migration(migrations.Migration):
    """Fill the looks of slugs; of several look-alikes only the first gets one.

    So all existing slugs keep working.
    """

    atomic = False
    dependencies = [("rooms", "0007_look")]
    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
        OnPostgres(
            [
                migrations.AlterField(
                    model_name="room",
                    name="look",
                    field=models.CharField(editable=False, max_length=255, null=True, unique=True),
                ),
            ],
            forwards=[
                f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}",
                f"CREATE UNIQUE INDEX CONCURRENTLY {INDEX} ON rooms_room (look)",
            ],
            backwards=[f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}"],
        ),
    ]
