from __future__ import annotations

from importlib import import_module

from django.db import migrations

_SILENCED = import_module("chat.migrations.0004_silenced")
BEFORE: str = _SILENCED.AFTER
AFTER = BEFORE.replace("FOR UPDATE", "FOR NO KEY UPDATE")


class Migration(migrations.Migration):
    """Let people join a room during a commit.

    The commit changes no key of the room, so that a new membership, which refers to the room, need not wait for it.
    """

    dependencies = [("chat", "0004_silenced")]
    operations = [migrations.RunPython(_SILENCED.replace(AFTER), _SILENCED.replace(BEFORE))]
