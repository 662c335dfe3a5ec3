"""`manage.py doctor` on a real Postgres and Redis, with one fault at a time."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.django_shell import DjangoShell
from tests.support.profile import Profile
from tests.support.redis_forms import QUOTED, USER, add_user
from tests.support.server import ROOT, _migrated_database, base_environment
from tests.support.services import Redis

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

PASSWORD = "of-the-app"
GRANTS = """
CREATE ROLE {role} LOGIN PASSWORD '{password}';
GRANT USAGE ON SCHEMA public TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
GRANT SELECT, USAGE ON ALL SEQUENCES IN SCHEMA public TO {role};
"""
LINES = """
import json
from django.conf import settings
from django.db import connection
from ops.doctor import {module}
from ops.doctor.findings import Options
connection.close()
connection.close_pool()
{settings}
print(json.dumps([[one.check, str(one.level), one.text, one.change] for one in {module}.{check}({options})]))
"""
Findings = list[list[str]]
# The tests' own Postgres does not wait for its disk, and the doctor says so each time.
UNSAFE = ["database", "failure", "fsync is off: acknowledged messages can be lost", "fsync = on in Postgres"]


class Installation:
    """A migrated database, its app's role and a shell of manage.py.

    The role is no superuser.
    """

    def __init__(self, profile: Profile, directory: Path) -> None:
        assert profile.postgres
        self.owner = profile.postgres.create_database(template=_migrated_database(profile.postgres))
        self.role = f"app_of_{self.owner.rpartition('/')[2]}"
        self.sql(GRANTS.format(role=self.role, password=PASSWORD))
        url = self.owner.replace(f"hubbub:{profile.postgres.password}@", f"{self.role}:{PASSWORD}@")
        self.env = base_environment() | {"DATABASE_URL": url, "SECRET_KEY": os.environ["SECRET_KEY"], "DATA_DIR": str(directory)}
        assert profile.redis
        self.env["REDIS_URL"] = profile.redis.url
        self.shell = DjangoShell(ROOT, lambda: self.env, directory / "shell.log")

    def sql(self, statements: str) -> None:
        """Run statements as the superuser."""
        with psycopg.connect(self.owner, autocommit=True, connect_timeout=5) as connection:
            connection.execute(statements)

    def ask(self, check: str, *, module: str = "database", settings: str = "", options: str = "Options()") -> Findings:
        """Return the findings of one check."""
        lines = LINES.format(module=module, check=check, settings=settings, options=options)
        found: Findings = json.loads(self.shell.run(lines))
        return found


@pytest.fixture(scope="module")
def installation(profile: Profile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(profile, tmp_path_factory.mktemp("doctor"))
    yield made
    made.shell.close()


def worst(findings: Findings) -> tuple[str, str, str]:
    """Return check, text and change of the one failure or warning there is."""
    (found,) = [one for one in findings if one[1] != "ok" and one != UNSAFE]
    return found[0], found[2], found[3]


def test_a_sound_installation_passes(installation: Installation) -> None:
    checks = [("check_database", "database"), ("check_redis", "redis"), ("check_workers", "machine"), ("check_clock", "machine")]
    for check, module in checks:
        assert [one for one in installation.ask(check, module=module) if one[1] != "ok" and one != UNSAFE] == [], check
    assert UNSAFE in installation.ask("check_database")


@pytest.mark.parametrize(
    ("breaks", "mends", "check", "text"),
    [
        ("ALTER ROLE {role} SUPERUSER", "ALTER ROLE {role} NOSUPERUSER", "database", "is a superuser"),
        (
            "REVOKE UPDATE ON rooms_room FROM {role}",
            "GRANT UPDATE ON rooms_room TO {role}",
            "database",
            "may not read and write rooms_room",
        ),
        (
            "ALTER ROLE {role} SET synchronous_commit = off",
            "ALTER ROLE {role} RESET ALL",
            "database",
            "synchronous_commit is off",
        ),
        (
            "DELETE FROM django_migrations WHERE app = 'chat' AND name = '0010_append_by_keys'",
            "INSERT INTO django_migrations (app, name, applied) VALUES ('chat', '0010_append_by_keys', now())",
            "migrations",
            "1 are not applied: chat.0010_append_by_keys",
        ),
        (
            "INSERT INTO django_migrations (app, name, applied) VALUES ('chat', '9999_of_tomorrow', now())",
            "DELETE FROM django_migrations WHERE name = '9999_of_tomorrow'",
            "migrations",
            "of a newer release (chat.9999_of_tomorrow)",
        ),
    ],
)
def test_a_database_fault_is_named(installation: Installation, breaks: str, mends: str, check: str, text: str) -> None:
    installation.sql(breaks.format(role=installation.role))
    try:
        found = worst(installation.ask("check_database"))
    finally:
        installation.sql(mends.format(role=installation.role))
    assert found[0] == check
    assert text in found[1]
    assert found[2]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ("database.OLDEST_POSTGRES = 990_000", "is too old"),
        ("connection.settings_dict['NAME'] += '_ascii'", "its encoding is SQL_ASCII"),
    ],
    ids=["version", "encoding"],
)
def test_postgres_that_does_not_do_is_named(installation: Installation, settings: str, text: str) -> None:
    """No older Postgres is here: the oldest one allowed is raised instead."""
    name = installation.owner.rpartition("/")[2]
    installation.sql(f"CREATE DATABASE {name}_ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    try:
        found = installation.ask("check_database", settings=settings)
    finally:
        mended = f"database.OLDEST_POSTGRES = 150_000; connection.settings_dict['NAME'] = {name!r}"
        installation.ask("check_database", settings=mended)
        installation.sql(f"DROP DATABASE {name}_ascii WITH (FORCE)")
    (named,) = [one for one in found if text in one[2]]
    assert (named[:2], bool(named[3])) == (["database", "failure"], True)


def test_torn_pages_are_named(installation: Installation) -> None:
    installation.sql("ALTER SYSTEM SET full_page_writes = off")
    installation.sql("SELECT pg_reload_conf(), pg_sleep(1)")
    try:
        _, text, change = worst(installation.ask("check_database"))
    finally:
        installation.sql("ALTER SYSTEM RESET full_page_writes")
        installation.sql("SELECT pg_reload_conf(), pg_sleep(1)")
    assert text == "full_page_writes is off: acknowledged messages can be lost"
    assert change == "full_page_writes = on in Postgres"


def test_a_task_that_waits_for_a_worker_is_named(installation: Installation) -> None:
    enqueue = "from accounts.tasks import expired_prune; expired_prune.enqueue()"
    late = "from django_tasks_db.models import DBTaskResult as R; from django.utils import timezone as t"
    late += "; from datetime import timedelta as d"
    installation.shell.run(f"{enqueue}\n{late}\nR.objects.update(enqueued_at=t.now() - d(hours=1))")
    try:
        check, text, change = worst(installation.ask("check_database"))
    finally:
        installation.shell.run(f"{late}\nR.objects.all().delete()")
    assert (check, change.split(",")[0]) == ("tasks", "scripts/compose up -d worker")
    assert "waited for 60 min" in text


def test_too_few_connections_are_named(installation: Installation) -> None:
    _, text, change = worst(installation.ask("check_workers", module="machine", options="Options(replicas=40)"))
    assert "40 ×" in text
    assert change.startswith("DATABASE_POOL_SIZE=")


def test_a_role_that_may_make_tables_beside_an_owner_is_named(installation: Installation) -> None:
    installation.sql(f"GRANT CREATE ON SCHEMA public TO {installation.role}")
    try:
        found = worst(installation.ask("check_database", settings="settings.MIGRATE_DATABASE = settings.DATABASES['default']"))
    finally:
        installation.sql(f"REVOKE CREATE ON SCHEMA public FROM {installation.role}")
        installation.ask("check_database", settings="settings.MIGRATE_DATABASE = None")
    assert found[2] == "scripts/postgres-role"


def of_redis(installation: Installation, url: str, more: str = "") -> Findings:
    """Ask a Redis of its own."""
    line = f"from core.redis_urls import shards_from_urls; settings.REDIS_SHARDS = shards_from_urls([{url!r}]); {more}"
    return installation.ask("check_redis", module="redis", settings=line)


def test_policy_and_memory_of_redis_are_named(installation: Installation) -> None:
    with Redis() as redis, redis.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        assert worst(of_redis(installation, redis.url))[2] == "maxmemory-policy noeviction"
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", int(client.info()["used_memory"] / 0.85))
        assert "are used (" in worst(of_redis(installation, redis.url))[1]
        client.config_set("maxmemory", 1000)
        assert worst(of_redis(installation, redis.url))[1] == "Redis is full (its maxmemory) and refuses writes"


def test_rights_password_and_absence_of_redis_are_named(installation: Installation) -> None:
    with Redis() as redis:
        add_user(redis)
        sound = f"redis://{USER}:{QUOTED}@127.0.0.1:{redis.port}/0"
        assert [one[1] for one in of_redis(installation, sound)] == ["ok"]
        add_user(redis, "~hubbub:*", "&nothing:*", "+@read", "+@write", "+@connection")
        assert "lacks a right" in worst(of_redis(installation, sound))[1]
        wrong = redis.url.replace(redis.password, "wrong")
        assert worst(of_redis(installation, wrong))[2] == "REDIS_URL (REDIS_PASSWORD)"
    assert "does not answer" in worst(of_redis(installation, redis.url))[1]


def test_redis_without_password_is_named(installation: Installation) -> None:
    """On a developer's machine it is usual."""
    with Redis() as redis, redis.client() as client:
        url = f"redis://127.0.0.1:{redis.port}/0"
        public, here = ("settings.DEPLOYMENT = 'production'", "settings.DEPLOYMENT = 'development'")
        try:
            sound = of_redis(installation, redis.url, public)
            client.config_set("requirepass", "")
            found = worst(of_redis(installation, url, public))
        finally:
            allowed = of_redis(installation, url, here)
    assert [one[1] for one in sound] == ["ok"]
    assert found[1].startswith("it answers without a password")
    assert found[2].startswith("requirepass of Redis")
    assert [one[1] for one in allowed] == ["ok"]


def test_old_redis_is_named(installation: Installation) -> None:
    """No older Redis is here: the oldest one allowed is raised instead."""
    with Redis() as redis:
        try:
            found = worst(of_redis(installation, redis.url, "redis.OLDEST = 99"))
        finally:
            of_redis(installation, redis.url, "redis.OLDEST = 7")
    assert "is too old" in found[1]
    assert found[2].endswith(".0 or newer")


@pytest.mark.parametrize("read_only", ["yes", "no"])
def test_replica_of_redis_is_named(installation: Installation, read_only: str) -> None:
    """One that takes writes, too: they are gone with its next copy of the primary."""
    with Redis() as primary, Redis() as redis, redis.client() as client:
        client.config_set("replica-read-only", read_only)
        client.replicaof("127.0.0.1", str(primary.port))
        found = worst(of_redis(installation, redis.url))
    assert found[2] == "REDIS_URL must lead to the primary, or be sentinel://…"
