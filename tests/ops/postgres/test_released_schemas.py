"""The schema of each release, made by its own migrations, becomes today's.

The people in it stay.
"""

import subprocess
from pathlib import Path
from secrets import token_hex

import psycopg
import pytest

from tests.support.profile import Profile
from tests.support.releases import extract, releases, versions
from tests.support.server import base_environment, manage

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

# Not the order of columns, nor names that Django made up from a hash.
COLUMNS = """
    SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns
    WHERE table_schema = 'public' ORDER BY 1, 2
"""
INDEXES = """
    SELECT tablename, regexp_replace(indexdef, '^CREATE (UNIQUE )?INDEX \\S+ ON', '\\1') FROM pg_indexes
    WHERE schemaname = 'public' ORDER BY 1, 2
"""
CONSTRAINTS = """
    SELECT conrelid::regclass::text, contype::text, convalidated, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2, 4
"""
TRIGGERS = """
    SELECT tgrelid::regclass::text, tgname, tgenabled::text FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2
"""
PEOPLE = "SELECT username, password, is_superuser, is_active FROM accounts_user ORDER BY 1"
ROOMS = "SELECT slug, title FROM rooms_room ORDER BY 1"


def settings(url: str) -> dict[str, str]:
    return base_environment() | {"DATABASE_URL": url, "SECRET_KEY": token_hex(32), "ALLOW_SEED": "1"}


def asked(url: str, *queries: str) -> list[list[tuple[object, ...]]]:
    with psycopg.connect(url, connect_timeout=10) as connection:
        return [connection.execute(query.encode()).fetchall() for query in queries]


@pytest.fixture(scope="module")
def today(profile: Profile) -> list[list[tuple[object, ...]]]:
    """The schema of a new installation."""
    assert profile.postgres is not None
    url = profile.postgres.create_database()
    manage("migrate", "--no-input", env=settings(url))
    found = asked(url, COLUMNS, INDEXES, CONSTRAINTS, TRIGGERS)
    assert all(found)
    return found


@pytest.mark.drill
@pytest.mark.parametrize("version", versions())
def test_schema_of_a_release_becomes_the_one_of_today(
    version: str, today: list[list[tuple[object, ...]]], profile: Profile, tmp_path: Path
) -> None:
    assert profile.postgres is not None
    extract(version, tmp_path, "app")
    url = profile.postgres.create_database()
    env = settings(url)
    manage("migrate", "--no-input", env=env, root=tmp_path)
    administrator = env | {"DJANGO_SUPERUSER_PASSWORD": "correct horse battery"}
    manage("createsuperuser", "--no-input", "--username", "ada", "--email", "", env=administrator, root=tmp_path)
    before = asked(url, PEOPLE, ROOMS)
    assert all(before), "the lobby and one person"
    manage("migrate", "--no-input", env=env)
    assert asked(url, PEOPLE, ROOMS) == before
    for now, then in zip(asked(url, COLUMNS, INDEXES, CONSTRAINTS, TRIGGERS), today, strict=True):
        assert now == then


def test_releases_are_found_by_their_tags(tmp_path: Path) -> None:
    """The releases come oldest first, by number.

    The release under test, candidates and releases of another branch are left out.
    """

    def git(*arguments: str) -> None:
        who = ["-c", "user.name=Hubbub", "-c", "user.email=team@hubbub.example", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True, timeout=60)

    git("init", "--initial-branch=main")
    for tags in (["v0.9.0"], ["v0.10.0-rc.1"], ["v0.10.0", "vendor"], ["v0.11.0"]):
        git("commit", "--allow-empty", "--message=change")
        for tag in tags:
            git("tag", tag)
    git("checkout", "--quiet", "-b", "elsewhere", "v0.9.0")
    git("commit", "--allow-empty", "--message=mended")
    git("tag", "v0.9.1")
    git("checkout", "--quiet", "main")
    assert releases(tmp_path) == ["v0.9.0", "v0.10.0"]
    git("commit", "--allow-empty", "--message=change")
    assert releases(tmp_path) == ["v0.9.0", "v0.10.0", "v0.11.0"]
