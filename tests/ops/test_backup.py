"""`manage.py backup` and `restore`, of an embedded run and on Postgres.

Every row and file comes back, or nothing does.
"""

import asyncio
import gzip
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ops.backup import archive
from tests.conftest import StartServer
from tests.support.chat_client import ChatClient, create_room, sign_up
from tests.support.profile import Profile
from tests.support.server import ROOT, Server, manage

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

TEXTS = ["plain", "tab\tand\nline \\N", "ünï☃ 😀", "'; DROP TABLE chat_event; --"]


def restored_env(server: Server, profile: Profile, directory: Path) -> dict[str, str]:
    """Return the settings of a fresh installation, whose database has no tables."""
    env = {name: value for name, value in server.env.items() if name not in {"DATA_DIR", "DATABASE_URL"}}
    env["DATA_DIR"] = str(directory / "fresh")
    if profile.postgres:
        env["DATABASE_URL"] = profile.postgres.create_database()
    return env


ROWS = """
from django.db import connection
import json
with connection.cursor() as cursor:
    found = {}
    for table in sorted(connection.introspection.table_names(cursor)):
        cursor.execute(f'SELECT * FROM "{table}"')
        found[table] = sorted(map(repr, cursor.fetchall()))
# When a migration was applied is another time here.
del found["django_migrations"]
# A restore makes another epoch; what indexes behind the commits may go on between two looks.
for changing in ("ops_installation", "search_progress", "search_entry", "search_word"):
    found.pop(changing, None)
print(json.dumps(found))
"""
INSTALLATION = """
from ops.models import Installation
import json
print(json.dumps(Installation.objects.values("identity", "epoch").get()))
"""
USERS = """
from accounts.models import User
import json
print(json.dumps([*User.objects.values_list("username", flat=True)]))
"""
STORED = """
from db import installation
import json
at = installation.backed_up_at()
print(json.dumps(at and at.isoformat()))
"""
STORE = """
from ops.models import Installation
from datetime import datetime
Installation.objects.update(backed_up_at={at!r} and datetime.fromisoformat({at!r}))
"""
LOGS = """
from rooms.models import Room
from chat.models import Event
import json
def seqs(room):
    return [*Event.objects.filter(room=room).order_by("seq").values_list("seq", flat=True)]
print(json.dumps([[room.slug, room.head, seqs(room)] for room in Room.objects.all()]))
"""


def shell(env: dict[str, str], lines: str) -> Any:
    """Run lines in the installation; return their printed JSON."""
    return json.loads(manage("shell", "-c", lines, env=env).splitlines()[-1])


async def write(server: Server, messages: int = 20) -> str:
    """Let two people talk in a room; return its slug."""
    ada, bob = await sign_up(server.base_url), await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    async with ChatClient(server.ws_url(), ada) as here, ChatClient(server.ws_url(), bob) as there:
        await here.join(room)
        await there.join(room)
        for number in range(messages):
            await here.send(room, f"{number} {TEXTS[number % len(TEXTS)]}")
    return room


@pytest.mark.drill
async def test_every_row_and_file_comes_back(start_server: StartServer, profile: Profile, tmp_path: Path) -> None:
    server = await asyncio.to_thread(lambda: start_server(LIMIT_MESSAGES_PER_S="0"))
    room = await write(server)
    uploads = server.data_dir / "files"
    (uploads / "a" / "b").mkdir(parents=True)
    (uploads / "a" / "b" / "picture.bin").write_bytes(bytes(range(256)) * 40_000)  # of several pieces
    (uploads / "empty").touch()
    stopped = asyncio.Event()

    async def traffic() -> int:
        sent = 0
        ada = await sign_up(server.base_url)
        async with ChatClient(server.ws_url(), ada) as chat:
            await chat.join(room)
            while not stopped.is_set():
                await chat.send(room, f"meanwhile {sent}")
                sent += 1
                await asyncio.sleep(0.01)
        return sent

    writing = asyncio.create_task(traffic())
    await asyncio.sleep(0.3)
    file = tmp_path / "backup.tar.gz"
    await asyncio.to_thread(manage, "backup", str(file), env=server.env)
    stopped.set()
    assert await writing > 3
    assert file.stat().st_mode & 0o077 == 0
    env = restored_env(server, profile, tmp_path)
    await asyncio.to_thread(manage, "restore", "--check", str(file), env=env)
    assert not (tmp_path / "fresh" / "files").exists()
    await asyncio.to_thread(manage, "restore", str(file), env=env)

    # The log of each room has no hole, and ends where the room says.
    for slug, last, seqs in shell(env, LOGS):
        assert seqs == list(range(1, last + 1)), slug
        assert slug != room or last >= 20
    fresh = tmp_path / "fresh" / "files"
    assert {path.relative_to(fresh).as_posix() for path in fresh.rglob("*") if path.is_file()} == {"a/b/picture.bin", "empty"}
    assert (fresh / "a/b/picture.bin").read_bytes() == (uploads / "a/b/picture.bin").read_bytes()
    if profile.postgres is None:
        assert (tmp_path / "fresh" / "secret_key").read_text() == (server.data_dir / "secret_key").read_text()

    # A backup of the quiet original and of what is restored from it are equal, row by row.
    again = tmp_path / "again.tar.gz"
    await asyncio.to_thread(manage, "backup", str(again), env=server.env)
    other = restored_env(server, profile, tmp_path / "other")
    await asyncio.to_thread(manage, "restore", str(again), env=other)
    assert shell(other, ROWS) == shell(server.env, ROWS)
    # It is the same installation, and its clients start anew.
    was, now = shell(server.env, INSTALLATION), shell(other, INSTALLATION)
    assert (was["identity"], bool(now["epoch"])) == (now["identity"], True)
    assert was["epoch"] != now["epoch"]
    with pytest.raises(RuntimeError, match=r"this database is in use, it holds rows of accounts.User"):
        await asyncio.to_thread(manage, "restore", str(again), env=other)
    if profile.postgres is None:
        with pytest.raises(RuntimeError, match="the server runs: stop it first"):
            await asyncio.to_thread(
                manage,
                "restore",
                str(again),
                env=server.env | {"PORT": str(server.port), "RUNTIME_DIR": str(server.data_dir / "run")},
            )


@pytest.fixture(scope="module")
def small(profile: Profile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, bytes]]:
    """A backup of an installation with one person."""
    server = Server(profile)
    file = tmp_path_factory.mktemp("small") / "backup.tar.gz"
    server.shell("from accounts.services import user_create; user_create(username='ada', password='correct horse battery')")
    manage("backup", str(file), env=server.env)
    yield server, file.read_bytes()
    server.close()


def without_member(data: bytes, name: str) -> bytes:
    stream = io.BytesIO()
    writer = archive.Writer(stream)
    for member, content in archive.members(io.BytesIO(data)):
        if member != name:
            writer.add(member, content.read())
    writer.close()
    return stream.getvalue()


def with_another_name(data: bytes) -> bytes:
    return gzip.compress(gzip.decompress(data).replace(b"ada", b"eve"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[: len(data) // 2], "cut short"),
        (lambda data: without_member(data, "manifest.json"), "it was cut short"),
        (with_another_name, "differs from its backup"),
        (lambda _: b"no archive at all", "it is no backup, or was cut short"),
        (lambda data: without_member(data, "header.json"), "it is no backup of Hubbub"),
        (lambda data: gzip.compress(gzip.decompress(data).replace(b'"format": 1', b'"format": 9')), "its format is 9"),
    ],
    ids=["cut", "no-manifest", "changed", "rubbish", "no-header", "format"],
)
def test_a_damaged_backup_is_refused(small: tuple[Server, bytes], damage: Callable[[bytes], bytes], message: str) -> None:
    _, data = small
    assert archive.verify(io.BytesIO(data))[1].tables
    with pytest.raises(archive.Damaged, match=message):
        archive.verify(io.BytesIO(damage(data)))


def test_a_backup_of_a_newer_release_changes_nothing(small: tuple[Server, bytes], profile: Profile, tmp_path: Path) -> None:
    _, data = small
    file = tmp_path / "newer"
    file.write_bytes(gzip.compress(gzip.decompress(data).replace(b"0005_joins_beside_commits", b"9999_of_a_coming_release_", 1)))
    with pytest.raises(RuntimeError, match=r"of a newer release"):
        manage("restore", "--check-file", str(file), env=small[0].env)
    env = restored_env(small[0], profile, tmp_path)
    with pytest.raises(RuntimeError, match=r"of a newer release, which has chat\.9999_of_a_coming_release_"):
        manage("restore", str(file), env=env)
    if profile.postgres:
        with psycopg.connect(env["DATABASE_URL"], connect_timeout=5) as connection:
            assert connection.execute("SELECT 1 FROM pg_class WHERE relnamespace = 'public'::regnamespace").fetchall() == []


def test_a_change_that_only_the_rows_show_is_refused(small: tuple[Server, bytes], profile: Profile, tmp_path: Path) -> None:
    """An archive whose end is wrong leaves nothing behind.

    Through standard input it is read only once.
    """
    server, data = small
    env = restored_env(server, profile, tmp_path)
    command = [sys.executable, str(ROOT / "app" / "manage.py"), "restore", "-"]
    done = subprocess.run(command, input=with_another_name(data), env=env, capture_output=True, timeout=120, check=False)
    assert done.returncode == 1, done.stderr
    assert b"Damaged" not in done.stderr
    lines = "from accounts.models import User\ntry:\n    print(User.objects.count())\nexcept Exception:\n    print(0)"
    assert manage("shell", "-c", lines, env=env).split()[-1] == "0"
    # Repeated with the sound one, it succeeds.
    done = subprocess.run(command, input=data, env=env, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert manage("shell", "-c", lines, env=env).split()[-1] == "1"


# A later release's migration, which this database refuses.
REFUSED = """
from django.db import DatabaseError, migrations


def refuse(apps, schema_editor):
    raise DatabaseError("no room for this")


class Migration(migrations.Migration):
    dependencies = [("ops", "0003_backed_up_at")]
    operations = [migrations.RunPython(refuse)]
"""


@pytest.mark.drill
def test_restore_that_fails_after_its_commit_has_a_new_epoch(
    small: tuple[Server, bytes], profile: Profile, tmp_path: Path
) -> None:
    """Clients must not mistake the restored rows for the rows that they know."""
    server, data = small
    (tmp_path / "file").write_bytes(data)
    later = tmp_path / "later"
    shutil.copytree(ROOT / "app", later / "app", ignore=shutil.ignore_patterns("__pycache__"))
    (later / "app" / "ops" / "migrations" / "0004_refused.py").write_text(REFUSED)
    env = restored_env(server, profile, tmp_path)
    with pytest.raises(RuntimeError, match=r"the rows are back, .*: no room for this; mend that, then manage\.py migrate"):
        manage("restore", str(tmp_path / "file"), env=env, root=later)
    assert shell(env, USERS) == ["ada"]
    was, now = shell(server.env, INSTALLATION), shell(env, INSTALLATION)
    assert was["identity"] == now["identity"]
    assert now["epoch"] not in {"", was["epoch"]}


def test_timer_keeps_the_newest_backups(small: tuple[Server, bytes], tmp_path: Path) -> None:
    server, _ = small
    for name in (
        "hubbub-20260101T031700Z.tar.gz",
        "hubbub-20260102T031700Z.tar.gz",
        "hubbub-20260103T031700Z.tar.gz.part",
        "notes",
    ):
        (tmp_path / name).touch()
    os.utime(tmp_path / "hubbub-20260103T031700Z.tar.gz.part", (0, 0))
    of_another = tmp_path / "hubbub-20260104T031700Z.tar.gz.part"
    of_another.touch()
    manage("backup", "--into", str(tmp_path), "--keep", "2", env=server.env)
    assert of_another.exists(), "it is under way"
    of_another.unlink()
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept[0] == "hubbub-20260102T031700Z.tar.gz"
    assert kept[2:] == ["notes"]
    with (tmp_path / kept[1]).open("rb") as file:
        archive.verify(file)
    for name in ("hubbub-20260101T031700Z-0123abcd.tar.gz", "hubbub-20260101T031700Z-0123abcd-89ef0123.tar.gz"):
        (tmp_path / name).touch()
    manage("backup", "--into", str(tmp_path), "--keep", "1", env=server.env)
    left = {path.name for path in tmp_path.iterdir()} - {"notes"}
    assert len(left) == 4, "backups of another installation stay, and so do backups that may be its own"
    assert kept[0] in left
    for refused, why in (
        (["--keep", "0"], "--keep must be at least 1, not 0"),
        (["--into", "/nowhere"], "there is no directory /nowhere"),
    ):
        with pytest.raises(RuntimeError, match=why):
            manage("backup", *refused, env=server.env)


def test_file_is_checked_where_the_database_is_in_use_or_away(small: tuple[Server, bytes], profile: Profile) -> None:
    server, data = small
    away = {"DATABASE_URL": "postgres://nobody:x@127.0.0.1:1/none"} if profile.postgres else {}
    for env in (server.env, server.env | away):
        done = command("restore", "--check-file", "-", env=env, data=data)
        assert (done.returncode, b"sound, and fits here" in done.stderr) == (0, True), done.stderr
        done = command("restore", "--check-file", "-", env=env, data=data[:-200])
        assert (done.returncode, b"cut short" in done.stderr) == (1, True), done.stderr
    done = command("restore", "--check", "-", env=server.env, data=data)
    assert (done.returncode, b"this database is in use" in done.stderr) == (1, True), done.stderr


def test_env_is_taken_along_and_can_be_read_with_tar(small: tuple[Server, bytes], tmp_path: Path) -> None:
    server, _ = small
    secret = b"SECRET_KEY=of-the-stack\n"
    command = [sys.executable, str(ROOT / "app" / "manage.py"), "backup", "--env"]
    done = subprocess.run(command, input=secret, env=server.env, capture_output=True, timeout=60, check=True)
    (tmp_path / "b.tar.gz").write_bytes(done.stdout)
    read = subprocess.run(["tar", "-xzOf", tmp_path / "b.tar.gz", "env"], capture_output=True, timeout=20, check=True)
    assert read.stdout == secret


# --- the time of the newest verified backup


def made(data: bytes) -> str:
    """Return the time of a backup."""
    return str(archive.verify(io.BytesIO(data))[0]["made"])


def command(*arguments: str, env: dict[str, str], data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    line = [sys.executable, str(ROOT / "app" / "manage.py"), *arguments]
    return subprocess.run(line, input=data, env=env, capture_output=True, timeout=120, check=False)


def store(server: Server, at: str | None) -> None:
    """Store a time as if a backup had been made then."""
    server.shell(STORE.format(at=at))


def note(server: Server, at: datetime) -> None:
    """Tell of a verified backup of this time."""
    server.shell(
        f"from datetime import datetime\nfrom db import installation\ninstallation.note_backup(datetime.fromisoformat('{at}'))"
    )


def stored(server: Server) -> Any:
    return json.loads(server.shell(STORED))


@pytest.fixture
def never(small: tuple[Server, bytes]) -> Server:
    """An installation of which no backup was made."""
    server, _ = small
    store(server, None)
    return server


def test_time_of_a_verified_backup_is_stored(never: Server, tmp_path: Path) -> None:
    whole = command("backup", env=never.env).stdout
    assert stored(never) is None, "one to standard output was not read again"
    manage("backup", str(tmp_path / "file"), env=never.env)
    assert stored(never) == made((tmp_path / "file").read_bytes()) >= made(whole)
    store(never, None)
    (tmp_path / "into").mkdir()
    manage("backup", "--into", str(tmp_path / "into"), env=never.env)
    (file,) = (tmp_path / "into").iterdir()
    assert stored(never) == made(file.read_bytes())


def test_backup_from_standard_input_is_recorded_by_its_time(never: Server, small: tuple[Server, bytes]) -> None:
    _, data = small
    verified = command("backup", "--verify", env=never.env, data=data)
    assert verified.stdout.decode().split() == [made(data)]
    assert stored(never) is None, "it may yet be lost on its way to its file"
    manage("backup", "--record", made(data), env=never.env)
    assert stored(never) == made(data)
    assert command("backup", "--verify", env=never.env, data=data[:-200]).stdout == b""
    for refused in ("yesterday", "2026-11-30T03:15:00"):
        done = command("backup", "--record", refused, env=never.env)
        assert (done.returncode, b"must be a time with its zone" in done.stderr) == (2, True), done.stderr
    assert stored(never) == made(data)


def test_older_backup_does_not_replace_a_newer_one(never: Server) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    hour = timedelta(hours=1)
    for recorded, kept in ((now - 2 * hour, now - 2 * hour), (now - 3 * hour, now - 2 * hour), (now - hour, now - hour)):
        note(never, recorded)
        assert stored(never) == kept.isoformat()
    # A clock was ahead: otherwise no alarm could come for that long.
    store(never, (now + 48 * hour).isoformat())
    note(never, now)
    assert stored(never) == now.isoformat()


# No write is possible, as on a standby; or the release before still has the schema.
EXECUTE = """
from django.db import connection
with connection.cursor() as cursor:
    for statement in {statements!r}:
        cursor.execute(statement.replace("THIS", str(connection.settings_dict["NAME"])))
# Other connections of the pool have the settings of before.
if connection.vendor == "postgresql":
    connection.close()
    connection.close_pool()
"""
NO_WRITE = "CREATE TRIGGER no_write BEFORE UPDATE ON ops_installation BEGIN SELECT RAISE(ABORT, 'read-only'); END"
FAULTS = {
    "sqlite read-only": ([NO_WRITE], ["DROP TRIGGER no_write"]),
    "postgres read-only": (
        ["ALTER DATABASE THIS SET default_transaction_read_only = on"],
        ["SET default_transaction_read_only = off", "ALTER DATABASE THIS RESET default_transaction_read_only"],
    ),
    "no column": (
        ["ALTER TABLE ops_installation RENAME COLUMN backed_up_at TO of_tomorrow"],
        ["ALTER TABLE ops_installation RENAME COLUMN of_tomorrow TO backed_up_at"],
    ),
}


@pytest.mark.parametrize("fault", ["read-only", "no column"])
def test_backup_is_made_when_its_time_cannot_be_stored(never: Server, profile: Profile, tmp_path: Path, fault: str) -> None:
    kind = "postgres" if profile.postgres else "sqlite"
    breaks, mends = FAULTS.get(fault) or FAULTS[f"{kind} {fault}"]
    never.shell(EXECUTE.format(statements=breaks))
    try:
        done = command("backup", "--into", str(tmp_path), env=never.env)
        recorded = command("backup", "--record", "2026-11-30T03:15:00Z", env=never.env)
    finally:
        never.shell(EXECUTE.format(statements=mends))
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.iterdir()
    assert made(file.read_bytes())
    said = done.stderr.decode()
    assert "The backup is sound, but the time of the backup could not be stored: " in said
    assert ("backed_up_at" if fault == "no column" else "read-only") in said
    assert "Traceback" not in said
    assert (recorded.returncode, b"could not be stored" in recorded.stderr) == (1, True), "this is all that it was for"
    assert stored(never) is None


def test_silent_database_is_not_taken_for_an_empty_one(small: tuple[Server, bytes], profile: Profile, tmp_path: Path) -> None:
    """A lock of Postgres is held for longer than the look waits.

    The file of SQLite is damaged.
    """
    (tmp_path / "backup").write_bytes(small[1])
    env = restored_env(small[0], profile, tmp_path)
    if profile.postgres is None:
        file = tmp_path / "fresh" / "hubbub.sqlite3"
        file.parent.mkdir()
        file.write_bytes(b"no database" * 1000)
        with pytest.raises(RuntimeError, match=r"could not be looked at.*nothing was changed"):
            manage("restore", str(tmp_path / "backup"), env=env)
        assert file.read_bytes() == b"no database" * 1000
        return
    manage("migrate", "--no-input", env=env)
    with psycopg.connect(env["DATABASE_URL"]) as other:
        other.execute("LOCK TABLE accounts_user IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(RuntimeError, match=r"could not be looked at.*nothing was changed"):
            manage("restore", str(tmp_path / "backup"), env=env)
        assert other.execute("SELECT count(*) FROM django_migrations").fetchone() != (0,)


def test_database_without_migrations_is_refused(small: tuple[Server, bytes], profile: Profile, tmp_path: Path) -> None:
    env = restored_env(small[0], profile, tmp_path)
    with pytest.raises(RuntimeError, match=r"DATA_DIR.*DATABASE_URL"):
        manage("backup", str(tmp_path / "file"), env=env)
    assert [*tmp_path.glob("file*")] == []


def test_restored_backup_is_the_newest_one(small: tuple[Server, bytes], profile: Profile, tmp_path: Path) -> None:
    server, data = small
    env = restored_env(server, profile, tmp_path)
    (tmp_path / "backup").write_bytes(data)
    manage("restore", str(tmp_path / "backup"), env=env)
    assert shell(env, STORED) == made(data)
    # A copy of another installation, whose backups are none of its own.
    manage("installation", "--new", env=env)
    assert shell(env, STORED) is None


def test_new_id_that_is_refused_leaves_the_epoch(small: tuple[Server, bytes]) -> None:
    server, _ = small
    before = shell(server.env, INSTALLATION)
    with pytest.raises(RuntimeError, match="INSTALLATION_ID is set and overrides the database"):
        manage("installation", "--new", "--new-epoch", env=server.env | {"INSTALLATION_ID": "staging"})
    assert shell(server.env, INSTALLATION) == before


DOCTOR = """
from django.core.management import call_command
call_command("doctor", "backup", "--json")
"""


def test_doctor_warns_of_an_old_backup_only(never: Server) -> None:
    def said() -> tuple[str, str]:
        (found,) = json.loads(never.shell(DOCTOR))["findings"]
        assert found["check"] == "backup"
        assert bool(found["change"]) == (found["level"] != "ok")
        return found["level"], found["text"]

    assert said() == ("ok", "no verified one was made yet; make backup makes one")
    now = datetime.now(UTC)
    for hours, expected in (
        (3, ("ok", "the last verified one is 3 h old")),
        (31.9, ("ok", "the last verified one is 32 h old")),
        (32.1, ("warning", "the last verified one is 32 h old")),
        (24 * 9, ("warning", "the last verified one is 9 days old")),
    ):
        store(never, (now - timedelta(hours=hours)).isoformat())
        assert said() == expected


async def test_gauge_is_absent_until_a_backup_is_verified(start_server: StartServer, tmp_path: Path) -> None:
    """Each worker looks it up, so that all of them give the same answer."""
    server = await asyncio.to_thread(start_server)

    async def shown() -> set[float]:
        async with httpx.AsyncClient(base_url=server.base_url, timeout=10) as http:
            # A connection stays with its worker.
            texts = [(await http.get("/metrics", headers={"Connection": "close"})).text for _ in range(8)]
        families = [list(text_string_to_metric_families(text)) for text in texts]
        found = [[one for family in each for one in family.samples] for each in families]
        assert all(any(one.name == "hubbub_tasks_wait_seconds" for one in each) for each in found)
        return {one.value for each in found for one in each if one.name == "hubbub_backup_timestamp_seconds"}

    assert await shown() == set()
    await asyncio.to_thread(manage, "backup", str(tmp_path / "backup"), env=server.env)
    at = datetime.fromisoformat(made((tmp_path / "backup").read_bytes()))
    assert await shown() == {at.timestamp()}
    store(server, None)  # `manage.py installation --new`
    assert await shown() == set()
