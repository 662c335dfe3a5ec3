import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from db.indexes import OnPostgres

OF_ROOM, OF_AUTHOR = "chat_event_room_id_2802b34a", "chat_event_author_id_36d9fb6b"


def key_over(columns: str) -> list[str]:
    return [
        "DROP INDEX CONCURRENTLY IF EXISTS one_event_a_new_key",
        f"CREATE UNIQUE INDEX CONCURRENTLY one_event_a_new_key ON chat_event ({columns})",
        "ALTER TABLE chat_event DROP CONSTRAINT one_event_a_key, "
        "ADD CONSTRAINT one_event_a_key UNIQUE USING INDEX one_event_a_new_key",
    ]


class Migration(migrations.Migration):
    """Drop the indexes of the foreign keys: those of both constraints begin with one.

    Each further index would be written with every message.
    """

    allowed = {"ban-drop-constraint": "another with the same promise takes its place in the same statement"}
    atomic = False
    dependencies = [
        ("chat", "0001_initial"),
        ("rooms", "0004_fewer_indexes"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        OnPostgres(
            [
                migrations.RemoveConstraint(model_name="event", name="one_event_a_key"),
                migrations.AddConstraint(
                    model_name="event",
                    constraint=models.UniqueConstraint(fields=("author", "room", "key"), name="one_event_a_key"),
                ),
                migrations.AlterField(
                    model_name="event",
                    name="author",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                migrations.AlterField(
                    model_name="event",
                    name="room",
                    field=models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="rooms.room"
                    ),
                ),
            ],
            forwards=[
                *key_over("author_id, room_id, key"),
                *(f"DROP INDEX CONCURRENTLY IF EXISTS {index}" for index in (OF_ROOM, OF_AUTHOR)),
            ],
            backwards=[
                *(f"DROP INDEX CONCURRENTLY IF EXISTS {index}" for index in (OF_ROOM, OF_AUTHOR)),
                f"CREATE INDEX CONCURRENTLY {OF_ROOM} ON chat_event (room_id)",
                f"CREATE INDEX CONCURRENTLY {OF_AUTHOR} ON chat_event (author_id)",
                *key_over("room_id, author_id, key"),
            ],
        ),
    ]
