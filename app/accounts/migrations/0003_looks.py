from typing import Any

from django.db import migrations, models

from accounts.names import MAX_LENGTH, key_of, normalized
from db.indexes import OnPostgres
from db.look_migration import fill_looks
from core.lookalikes import look_of, without_ignorables

INDEX = "accounts_user_look_key"


def rename(user: Any, users: Any) -> None:
    """Remove invisible characters from a name; if the result is taken, append the id."""
    clean = without_ignorables(normalized(user.username))
    if clean == user.username:
        return
    if not clean or users.filter(name_key=key_of(clean)).exclude(pk=user.pk).exists():
        tail = f"-{user.pk}"
        clean = f"{(clean or 'user')[: MAX_LENGTH - len(tail)]}{tail}"
    user.username, user.name_key = clean, key_of(clean)


def fill(apps: Any, schema_editor: Any) -> None:
    users = apps.get_model("accounts", "User").objects.using(schema_editor.connection.alias)
    fill_looks(users, ["username", "name_key"], rename, lambda user: look_of(user.username))


class Migration(migrations.Migration):
    """Fill the looks of names; of several look-alikes only the first gets one.

    So all existing names keep working.
    """

    atomic = False
    dependencies = [("accounts", "0002_look")]
    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
        OnPostgres(
            [
                migrations.AlterField(
                    model_name="user",
                    name="look",
                    field=models.CharField(editable=False, max_length=255, null=True, unique=True),
                ),
            ],
            forwards=[
                f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}",
                f"CREATE UNIQUE INDEX CONCURRENTLY {INDEX} ON accounts_user (look)",
            ],
            backwards=[f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}"],
        ),
    ]
