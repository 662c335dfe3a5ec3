"""Messages of the release before, on Postgres, while its processes go on writing."""

import os
import threading
from time import monotonic

import psycopg
import pytest

from tests.chat.earlier import USER, WRITE, member, migrate_before, react
from tests.support.profile import Profile
from tests.support.server import base_environment, manage

pytestmark = pytest.mark.integration

# As that release calls it, to the letter.
APPEND = "SELECT chat_append(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s)"


class Traffic(threading.Thread):
    """A process of the release before: message after message into the lobby."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url, self.done = url, threading.Event()
        self.took_s: list[float] = []

    def run(self) -> None:
        with psycopg.connect(self.url, autocommit=True, connect_timeout=5) as connection:
            while not self.done.wait(0.005):
                begun = monotonic()
                connection.execute(APPEND, [[1], [1], [f"k{len(self.took_s)}"], ["hi"], [""], "2026-01-01Z"])
                self.took_s.append(monotonic() - begun)

    def end(self) -> None:
        self.done.set()
        self.join(30)


def test_migration_beside_the_release_before(profile: Profile) -> None:
    assert profile.postgres
    url = profile.postgres.create_database()
    env = base_environment() | {"DATABASE_URL": url, "SECRET_KEY": os.environ["SECRET_KEY"]}
    migrate_before(env)
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as own:
        own.execute(USER)
        own.execute(member(last_read_seq=0))
        traffic = Traffic(url)
        traffic.start()
        try:
            manage("migrate", env=env)
            head, _, unread = react(env)
        finally:
            traffic.end()
        rows = own.execute("SELECT seq, kind, uncounted FROM chat_event ORDER BY seq").fetchall()
    assert unread == head - 1, "the reaction does not count"
    assert [seq for seq, _, _ in rows] == list(range(1, len(traffic.took_s) + 2))
    (liked,) = (seq for seq, kind, _ in rows if kind == "reaction")
    assert [uncounted for _, _, uncounted in rows] == [int(seq >= liked) for seq, _, _ in rows]
    assert len(rows) > liked, "the release before writes on"
    assert max(traffic.took_s) < 1, "no write waits for more than a moment"
    assert react(env, WRITE) == (len(rows) + 1, 0, len(rows))
