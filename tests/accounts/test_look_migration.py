"""The migrations of look-alike names and slugs that an earlier release stored."""

import sqlite3
from pathlib import Path

import pytest

from tests.support.server import base_environment, manage

# Its database is a file of its own. All migrations take 6 s of a core, here four times.
pytestmark = [pytest.mark.once, pytest.mark.timeout(400)]

USER = """
    INSERT INTO accounts_user (
        id, username, name_key, password, is_superuser, first_name, last_name, email, is_staff, is_active, date_joined
    ) VALUES (?, ?, ?, '', 0, '', '', '', 0, 1, '2026-01-01')
"""
ROOM = "INSERT INTO rooms_room (slug, title, kind, head, created_at) VALUES (?, '', ?, 0, '2026-01-01')"


def test_migration_keeps_lookalikes_and_cleans_hidden(tmp_path: Path) -> None:
    env = base_environment() | {"DATA_DIR": str(tmp_path)}
    manage("migrate", "accounts", "0001", env=env)
    manage("migrate", "rooms", "0004", env=env)
    names = ["ada", "ada\u3164", "\u3164", "paul", "pau1", "bob\ufe0f"]
    with sqlite3.connect(tmp_path / "hubbub.sqlite3") as database:
        database.executemany(USER, [(number, name, name) for number, name in enumerate(names, 1)])
        rooms = [("lobby\ufe0f", "public"), ("l0bby", "public"), ("team\u3164", "public"), ("dm-1-2", "direct")]
        database.executemany(ROOM, rooms)
    manage("migrate", env=env)
    with sqlite3.connect(tmp_path / "hubbub.sqlite3") as database:
        people = database.execute("SELECT username, name_key, look FROM accounts_user ORDER BY id").fetchall()
        slugs = database.execute("SELECT slug, look FROM rooms_room ORDER BY id").fetchall()
    assert people == [
        ("ada", "ada", "ada"),
        ("ada-2", "ada-2", "ada-2"),
        ("user-3", "user-3", "user-3"),
        ("paul", "paul", "paul"),
        ("pau1", "pau1", None),
        ("bob", "bob", "bob"),
    ]
    assert slugs == [("lobby", "lobby"), ("lobby-2", "lobby-2"), ("l0bby", None), ("team", "tearn"), ("dm-1-2", None)]
    manage("migrate", "accounts", "0001", env=env)
    manage("migrate", env=env)
