from django.db import migrations, models

from db.indexes import OnPostgres

INDEX = "chat_things"


class Migration(migrations.Migration):
    """A room's things of a kind.

    Messages are not in the index and cost no more.
    """

    atomic = False
    dependencies = [("chat", "0008_due")]
    operations = [
        OnPostgres(
            [
                migrations.AddIndex(
                    model_name="event",
                    index=models.Index(
                        fields=["room", "kind", "seq"],
                        name=INDEX,
                        condition=~models.Q(kind="message") & models.Q(target__isnull=True),
                    ),
                )
            ],
            forwards=[
                f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}",
                f"CREATE INDEX CONCURRENTLY {INDEX} ON chat_event (room_id, kind, seq) "
                "WHERE NOT (kind = 'message') AND target IS NULL",
            ],
            backwards=[f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}"],
        ),
    ]
