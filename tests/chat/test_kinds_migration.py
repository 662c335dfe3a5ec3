"""Messages of the release before, on SQLite."""

import sqlite3
from pathlib import Path

import pytest

from tests.chat.earlier import EVENTS, USER, member, migrate_before, react
from tests.support.server import base_environment, manage

pytestmark = [pytest.mark.once, pytest.mark.timeout(400)]  # all migrations take 6 s of a core


def test_migration_keeps_what_is_unread_on_sqlite(tmp_path: Path) -> None:
    env = base_environment() | {"DATA_DIR": str(tmp_path)}
    migrate_before(env)
    with sqlite3.connect(tmp_path / "hubbub.sqlite3") as database:
        for statement in (USER, EVENTS, member(last_read_seq=2), "UPDATE rooms_room SET head = 3"):
            database.execute(statement)
    manage("migrate", env=env)
    assert react(env) == (4, 2, 1)
    with sqlite3.connect(tmp_path / "hubbub.sqlite3") as database:
        rows = database.execute("SELECT seq, uncounted FROM chat_event ORDER BY seq").fetchall()
    assert rows == [(1, 0), (2, 0), (3, 0), (4, 1)]
