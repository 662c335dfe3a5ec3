"""Every page of docs/runbooks: cause its symptom, then run its commands in order.

A test is named after its page. In this order, since the last ones end the stack that they all share.
"""

import asyncio
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.features.files.samples import picture, uploaded
from tests.runbooks.book import PAGES, Book
from tests.runbooks.conftest import git
from tests.runbooks.people import talk, writing
from tests.stack.rolling import docker
from tests.stack.stack import Stack
from tests.support.api import with_token
from tests.support.certificates import make_certificate
from tests.support.chat_client import ChatClient, Closed, create_room, sign_up
from tests.support.crowd import Crowd
from tests.support.plain_socket import PlainSocket

pytestmark = [pytest.mark.stack, pytest.mark.drill, pytest.mark.timeout(600)]


async def run(book: Book, section: str, **options: object) -> str:
    """Run the section's commands while people go on."""
    return await asyncio.to_thread(lambda: book.run(section, **options))  # type: ignore[arg-type]


def setting(stack: Stack, name: str) -> str:
    return stack.exec("web", "printenv", name).stdout.strip()


def metric(stack: Stack, name: str) -> str:
    found = stack.exec("web", "python", "app/manage.py", "metrics", name).stdout
    assert found
    return found


def change_env(stack: Stack, **values: str) -> None:
    file = stack.directory / ".env"
    kept = [line for line in file.read_text().splitlines() if line.partition("=")[0] not in values]
    file.write_text("\n".join([*kept, *(f"{name}={value}" for name, value in values.items() if value)]) + "\n")


async def test_deploy(book: Book, site: Stack) -> None:
    await run(book, "Look")
    change_env(site, LIMIT_ROOMS_PER_H="77")
    async with writing(site):
        await run(book, "Do")
    assert setting(site, "LIMIT_ROOMS_PER_H") == "77"
    await run(book, "Verify")


async def test_scale(book: Book, site: Stack) -> None:
    await run(book, "Look")
    async with writing(site):
        await run(book, "Do")
        verified = await run(book, "Verify")
        assert verified.splitlines()[0] == "3"
        await run(book, "Undo")
    assert len([one for one in site.containers("web") if one["State"]["Running"]]) == 1


async def test_drain_node(book: Book, site: Stack) -> None:
    await run(book, "Look")
    async with writing(site):
        assert "Recycled." in await run(book, "Do", number=0)
    await run(book, "Do", number=1)
    await run(book, "Verify")
    await talk(site)


async def test_redis_lost(book: Book, site: Stack) -> None:
    site.compose("stop", "redis")
    looked = await run(book, "Look")
    assert "→ REDIS_URL, or docs/runbooks/redis-lost.md" in looked
    assert "exited" in looked
    async with writing(site):
        await run(book, "Do")
    await retried(lambda: book.run("Verify"))


async def test_postgres_lost(book: Book, site: Stack) -> None:
    site.compose("stop", "postgres")
    assert "FAILURE  database" in await run(book, "Look")
    await run(book, "Do")
    await retried(lambda: book.run("Verify"))
    await talk(site)


async def test_disk_full(book: Book, site: Stack) -> None:
    """The disk of the backups is full, then the one of Postgres."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    backups = site.directory / "var" / "backups"
    backups.mkdir(parents=True, exist_ok=True)
    with small_disk(backups, "size=16m"):
        for day in range(1, 4):
            (backups / f"hubbub-2026010{day}T031700Z.tar.gz").write_bytes(bytes(5_590_000))
        failed = site.script("backup")
        assert (failed.returncode, "no room is left in" in failed.stderr) == (1, True), failed.stderr
        assert re.search(r"FAILURE +disk +backups", await run(book, "Look"))
        assert "Removed hubbub-20260101T031700Z.tar.gz" in await run(book, "Do", number=0)
        assert len([*backups.glob("hubbub-*.tar.gz")]) == 2
        await run(book, "Undo")
    async with writing(site):
        await asyncio.to_thread(site.compose, "stop", "postgres")
        volume = f"{site.project}_postgres"
        data = Path(docker("volume", "inspect", "--format", "{{.Mountpoint}}", volume).strip())
        with postgres_on_a_small_disk(site, data):
            await asyncio.to_thread(fill, data / "something-else")
            await retried(lambda: no_space_is_logged(site))
            looked = await run(book, "Look")
            assert "No space left on device" in looked
            assert re.search(r"FAILURE +(disk +postgres|database)", looked), looked
            (data / "something-else").unlink()
            await run(book, "Do", number=2)
            await retried(lambda: book.run("Verify"))
            assert "last_failed_wal" in await run(book, "Do", number=1)
            await talk(site)
    await retried(lambda: book.run("Verify"))


@contextmanager
def small_disk(directory: Path, options: str) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", directory], check=True, timeout=20)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True, timeout=20)


@contextmanager
def postgres_on_a_small_disk(site: Stack, data: Path) -> Iterator[None]:
    """Run the stopped Postgres on a disk with 100 MB left; put its files back."""
    used = int(subprocess.run(["du", "-sm", data], check=True, capture_output=True, text=True, timeout=60).stdout.split()[0])
    owner = data.stat()
    with tempfile.TemporaryDirectory(dir=data.parent) as beside:
        replace(Path(beside), data)
        with small_disk(data, f"size={used + 100}m,mode=0700,uid={owner.st_uid},gid={owner.st_gid}"):
            replace(data, Path(beside))
            assert site.script("compose", "up", "--detach", "--no-deps", "--wait", "postgres").returncode == 0
            try:
                yield
            finally:
                site.compose("stop", "postgres")
                replace(Path(beside), data)
        replace(data, Path(beside))
        assert site.script("compose", "up", "--detach", "--no-deps", "--wait", "postgres").returncode == 0


def replace(directory: Path, other: Path) -> None:
    """Put in a directory what is in the other one, with its owners."""
    for old in directory.iterdir():
        if old.is_dir():
            shutil.rmtree(old)
        else:
            old.unlink()
    subprocess.run(["cp", "--archive", f"{other}/.", directory], check=True, timeout=120)


def fill(file: Path) -> None:
    with suppress(OSError), file.open("wb", buffering=0) as opened:
        while True:
            opened.write(bytes(2**16))


def no_space_is_logged(site: Stack) -> None:
    assert "No space left on device" in site.logs("postgres")


async def test_slow_consumers(book: Book, site: Stack) -> None:
    ada, sleeper = await sign_up(site.url), await sign_up(site.url)
    room = await create_room(site.url, ada)
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    # Past Docker's proxy, which would read on in the sleeper's place.
    nginx = site.address(site.containers("nginx")[0], "edge")
    small.connect((nginx, 8080))
    small.setblocking(False)
    sleeping = PlainSocket(f"ws://{nginx}:8080/ws/", headers=sleeper.headers, sock=small)
    async with sleeping as asleep, ChatClient(site.ws("/ws/"), ada) as chat:
        await asleep.send_json({"type": "room.join", "room": room})
        await chat.join(room)
        # 16 MB: the kernel's buffers on the way take some of them.
        for _ in range(20):
            await asyncio.gather(*(chat.send(room, "😀" * 10_000) for _ in range(20)))
        await retried(lambda: metric(site, 'hubbub_sockets_closed_total{code="4008"}'))
        looked = await run(book, "Look")
        assert 'hubbub_sockets_closed_total{code="4008"}' in looked
    change_env(site, LIMIT_UNSENT_MB="48")
    before = (site.directory / ".env").read_text()
    await run(book, "Do")
    assert setting(site, "LIMIT_UNSENT_MB") == "32"
    await run(book, "Verify")
    await run(book, "Undo")
    assert (site.directory / ".env").read_text() == before, "the operator's own value"
    change_env(site, LIMIT_UNSENT_MB="")


async def storm(site: Stack, number: int = 250) -> int:
    """Return how many of so many handshakes at once nginx refuses."""
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "x" * 22 + "==",
    }
    async with httpx.AsyncClient(base_url=site.url, timeout=20, limits=httpx.Limits(max_connections=60)) as http:

        async def one() -> int:
            async with http.stream("GET", "/ws/", headers=headers) as answer:
                return answer.status_code

        return (await asyncio.gather(*(one() for _ in range(number)))).count(429)


async def test_reconnect_storm(book: Book, site: Stack) -> None:
    before = (site.directory / ".env").read_text()
    assert await storm(site) > 20
    assert int((await run(book, "Look")).split()[0]) > 20
    await run(book, "Do")
    assert await storm(site) == 0
    await run(book, "Verify")
    await run(book, "Undo")
    assert (site.directory / ".env").read_text() == before
    assert site.exec("nginx", "printenv", "LIMIT_HANDSHAKES_PER_S").stdout.strip() == "15", "the operator's own value"


async def test_hot_room(book: Book, site: Stack) -> None:
    """The new container gets its part of the 20 sockets, and no message is lost."""
    async with Crowd(site.url, readers=14, writers=6) as crowd:
        await crowd.until_written(60)
        looked = await run(book, "Look")
        assert re.search(rf"^ *{re.escape(crowd.room)} +\| +\d+ +\| +6$", looked, flags=re.MULTILINE), looked
        await run(book, "Do")

        def are_spread() -> None:
            assert sockets_in(book.run("Verify")) >= 6
            show = ("python", "app/manage.py", "metrics", "hubbub_sockets")
            assert sum(sockets_in(docker("exec", one["Id"], *show)) for one in site.containers("web")) >= 20

        await retried(are_spread)
        await run(book, "Undo")
        await crowd.until_written(5)
    await crowd.hold_to_the_log()
    assert max(person.longest_away for person in crowd.people) < 10


def sockets_in(metrics: str) -> float:
    return sum(float(number) for number in re.findall(r"^hubbub_sockets\{.*\} (\S+)$", metrics, flags=re.MULTILINE))


async def test_abuse(book: Book, site: Stack) -> None:
    robot = await sign_up(site.url, "robot")
    async with ChatClient(site.ws("/ws/"), robot) as chat:
        await chat.join("lobby")
        for _ in range(10):
            await asyncio.gather(*(chat.send("lobby", "buy") for _ in range(20)))
        looked = await run(book, "Look")
        assert "robot (id" in looked
        assert "200 events in the past hour" in looked
        await run(book, "Do")
        with pytest.raises(Closed):
            async with asyncio.timeout(10):
                while True:
                    await chat.expect("message", timeout=10)
    with pytest.raises(Closed):
        async with ChatClient(site.ws("/ws/"), robot):
            pass
    await run(book, "Verify")
    await run(book, "Undo")
    async with ChatClient(site.ws("/ws/"), robot) as chat:
        await chat.join("lobby")


async def test_rotate_secrets(book: Book, site: Stack) -> None:
    before = dict(line.split("=", 1) for line in (site.directory / ".env").read_text().splitlines())
    await run(book, "Look")
    async with writing(site):
        await run(book, "Do")
    after = dict(line.split("=", 1) for line in (site.directory / ".env").read_text().splitlines())
    assert {name for name in before if before[name] != after[name]} == {
        "SECRET_KEY",
        "POSTGRES_PASSWORD",
        "POSTGRES_OWNER_PASSWORD",
        "REDIS_PASSWORD",
    }
    assert site.exec("web", "cat", "/run/secrets/SECRET_KEY").stdout == after["SECRET_KEY"]
    refused = site.exec("redis", "redis-cli", "-a", before["REDIS_PASSWORD"], "ping")
    assert "PONG" not in refused.stdout
    await retried(lambda: book.run("Verify"))
    await run(book, "Undo")


# A release's migration, after the last one of rooms.
MIGRATION = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("rooms", "{after}")]
    operations = [migrations.AddField("room", "of_next_release", models.CharField(max_length=20, null=True))]
"""


async def test_upgrade(book: Book, site: Stack, tmp_path: Path) -> None:
    """The next release, v0.2.0, changes a file of the app.

    It adds a column that may be empty.
    """
    git(tmp_path, "clone", str(site.directory.parent / "origin.git"), "next")
    with (tmp_path / "next" / "app" / "core" / "heartbeat.py").open("a") as file:
        file.write("\n# the next release\n")
    (tmp_path / "next" / "pyproject.toml").write_text('version = "0.2.0"\n')
    migrations = tmp_path / "next" / "app" / "rooms" / "migrations"
    after = max(migrations.glob("[0-9]*.py")).stem
    (migrations / f"{int(after[:4]) + 1:04}_of_next_release.py").write_text(MIGRATION.format(after=after))
    git(tmp_path / "next", "add", ".")
    git(tmp_path / "next", "commit", "--message=next")
    git(tmp_path / "next", "tag", "v0.2.0")
    git(tmp_path / "next", "push", "origin", "main", "v0.2.0")
    assert "next" in await run(book, "Look")
    async with writing(site):
        await run(book, "Do")
    assert "the next release" in site.exec("web", "cat", "app/core/heartbeat.py").stdout
    assert sql(site, "UPDATE rooms_room SET of_next_release = 'kept' RETURNING slug").splitlines()
    assert [*(site.directory / "var" / "backups").glob("hubbub-*.tar.gz")]
    await run(book, "Verify")


async def test_roll_back(book: Book, site: Stack) -> None:
    """The earlier release runs on the later schema.

    All rows stay, and people write and make rooms.
    """
    await run(book, "Look")
    before = rows(site)["chat_event"]
    kept = "SELECT count(*) FROM rooms_room WHERE of_next_release = 'kept'"
    number = int(sql(site, kept))
    assert number
    async with writing(site):
        await run(book, "Do")
        assert "the next release" not in site.exec("web", "cat", "app/core/heartbeat.py").stdout
        verified = await run(book, "Verify")
        assert "v0.1.0" in verified
        assert "the database is of a newer release (rooms." in verified
        await talk(site)
        await create_room(site.url, await sign_up(site.url))
        assert int(sql(site, kept)) == number
        assert set(before) <= set(rows(site)["chat_event"])
        await run(book, "Undo")
    assert "the next release" in site.exec("web", "cat", "app/core/heartbeat.py").stdout
    assert int(sql(site, kept)) == number
    assert int(sql(site, "SELECT count(*) FROM rooms_room WHERE of_next_release IS NULL")) >= 1
    assert set(before) <= set(rows(site)["chat_event"])


PULLING = """#!/bin/sh
# There is no registry: what would be pulled is here.
for word; do if [ "$word" = pull ]; then exit 0; fi; done
exec {docker} "$@"
"""


@pytest.fixture
def published(site: Stack, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Run published images, of releases 0.1.0 and 0.2.0, in place of those built here.

    Returns the environment in which they can be pulled.
    """
    env_file = site.directory / ".env"
    kept, prefix, releases = env_file.read_text(), f"{site.project}-published", ("0.1.0", "0.2.0")
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(PULLING.format(docker=shutil.which("docker")))
    program.chmod(0o755)
    images = [f"{prefix}-{name}:{release}" for release in releases for name in ("web", "nginx", "archive")]
    for image in images:
        name, _, release = image.removeprefix(f"{prefix}-").partition(":")
        docker("build", "--tag", image, "-", text=f"FROM {site.project}-{name}:{site.project}\nENV RELEASE={release}\n")
    change_env(site, IMAGE_PREFIX=prefix, IMAGE_TAG="0.2.0")
    env = site.env | {"PATH": f"{program.parent}:{site.env['PATH']}"}
    try:
        started = site.script("up", env=env)
        assert started.returncode == 0, started.stderr
        yield env
    finally:
        env_file.write_text(kept)
        site.up()
        docker("image", "rm", *images)


async def test_published_release_changes_by_the_same_pages(site: Stack, published: dict[str, str]) -> None:
    back, upgrade = (Book(PAGES[name], site.directory, published) for name in ("roll-back", "upgrade"))
    async with writing(site):
        await run(back, "Do")
        assert setting(site, "RELEASE") == "0.1.0"
        said = await run(upgrade, "Do")
        assert (setting(site, "RELEASE"), "IMAGE_TAG is" in said) == ("0.2.0", False)
    change_env(site, IMAGE_TAG="0.1.0")
    other = site.script("roll", "--build", env=published)
    assert "IMAGE_TAG is '0.1.0', and this checkout is of release 0.2.0: the tag decides what runs." in other.stderr


async def test_certificate(book: Book, site: Stack, tmp_path_factory: pytest.TempPathFactory) -> None:
    kept = (site.directory / ".env").read_text()
    folder = tmp_path_factory.mktemp("tls")
    for directory in (folder, *folder.parents[:2]):
        directory.chmod(0o755)
    certificate, key = make_certificate(folder, days=-2)
    change_env(site, TLS_CERTIFICATE=str(certificate), TLS_KEY=str(key), HTTP_PORT=str(site.port))
    port = next(line.partition("=")[2] for line in kept.splitlines() if line.startswith("HTTPS_PORT="))
    book.here |= {"/etc/hubbub": str(folder), "8443": port}
    site.up()
    try:
        assert "FAILURE  certificate  browsers refuse it: " in await run(book, "Look")
        renewed, new_key = make_certificate(folder / "new", days=90)
        for new, old in ((renewed, certificate), (new_key, key)):
            old.write_bytes(new.read_bytes())  # in place
        await run(book, "Do", number=0)
        await retried(lambda: same_dates(book.run("Verify")))
        # A signal by way of Docker would have switched its restarts off.
        site.exec("nginx", "sh", "-c", "kill -9 $(cat /tmp/nginx.pid)")
        await retried(lambda: same_dates(book.run("Verify")))
        await run(book, "Do", number=1)
        same_dates(await run(book, "Verify"))
    finally:
        (site.directory / ".env").write_text(kept)
        site.up()


def same_dates(said: str) -> None:
    ends = [line for line in said.splitlines() if line.startswith("notAfter=")]
    assert len(ends) == len(("shown", "of the file"))
    assert ends[0] == ends[1]


async def test_backup_old(book: Book, site: Stack) -> None:
    """A sound backup is said to be of the day before yesterday."""
    made = await asyncio.to_thread(site.script, "backup")
    assert made.returncode == 0, made.stderr
    assert "is not stored" not in made.stderr
    sql(site, "UPDATE ops_installation SET backed_up_at = now() - interval '50 hours'")
    looked = await run(book, "Look")
    assert "WARNING  backup       the last verified one is 2 days old" in looked
    await run(book, "Do")
    assert "ok       backup       the last verified one is 0 h old" in await run(book, "Verify")
    stored = float(metric(site, "hubbub_backup_timestamp_seconds").split()[1])
    assert time.time() - 300 < stored <= time.time()


# --- the ends of the stack

Rows = dict[str, list[str]]
ROWS = """
from django.db import connection
import json
with connection.cursor() as cursor:
    found = {}
    for table in sorted(connection.introspection.table_names(cursor)):
        cursor.execute(f'SELECT t::text FROM "{table}" t')
        found[table] = sorted(row for (row,) in cursor.fetchall())
for changing in ("django_migrations", "django_tasks_database_dbtaskresult", "changes_change", "search_progress", "search_word",
                 "search_entry",
                 "ops_installation"):
    found.pop(changing, None)
print(json.dumps(found))
"""


def rows(stack: Stack) -> Rows:
    found: Rows = json.loads(stack.exec("web", "python", "app/manage.py", "shell", "-c", ROWS).stdout.splitlines()[-1])
    assert found["chat_event"]
    return found


async def share_files(stack: Stack) -> None:
    """A person sends a picture, which has a thumbnail, and a file of several pieces."""
    ada = await sign_up(stack.url)
    room = await create_room(stack.url, ada)
    async with with_token(stack.url, ada) as http, ChatClient(stack.ws("/ws/"), ada) as chat:
        sent = [
            await uploaded(http, room, picture(size=(900, 600))),
            await uploaded(http, room, secrets.token_bytes(5_000_000), "a.bin"),
        ]
        await chat.request("message.send", room=room, text="", key="files", files=[one["id"] for one in sent])


def files(stack: Stack) -> list[str]:
    """Return checksum and path of each uploaded file."""
    found = stack.exec("web", "sh", "-c", "cd /srv/files && find . -type f -exec sha256sum {} +")
    assert found.returncode == 0, found.stderr
    return sorted(found.stdout.splitlines())


def archives(stack: Stack) -> None:
    """Check that the archive takes the log that Postgres writes now."""
    checked = stack.exec("postgres", "pgbackrest", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


async def test_restore(book: Book, site: Stack, tmp_path: Path) -> None:
    """A backup with people writing; then database, files, secrets and .env are lost."""
    await share_files(site)
    archived = await asyncio.to_thread(site.script, "archive")
    assert archived.returncode == 0, archived.stderr
    async with writing(site):
        backed_up = await asyncio.to_thread(site.script, "backup")
        assert backed_up.returncode == 0, backed_up.stderr
    quiet = await asyncio.to_thread(site.script, "backup")
    assert quiet.returncode == 0, quiet.stderr
    before, shared, env = rows(site), files(site), (site.directory / ".env").read_text()
    assert len(shared) == 3
    await run(book, "Look")
    refused = site.script("restore", str(newest(site.directory)))
    assert refused.returncode == 1
    assert "this database is in use" in refused.stderr
    cut = site.directory / "cut.tar.gz"
    cut.write_bytes(newest(site.directory).read_bytes()[:-200])
    refused = site.script("restore", str(cut))
    assert (refused.returncode, "cut short" in refused.stderr) == (1, True), refused.stderr
    await talk(site)  # neither stopped anybody
    (site.directory / ".env").unlink()
    shutil.rmtree(site.directory / "var" / "secrets")
    # Stands in .env here, and nowhere for a stack of its own machine.
    book.env = site.env | {"COMPOSE_PROJECT_NAME": site.project}
    said = await run(book, "Do")
    assert (site.directory / ".env").read_text() == env
    assert (rows(site), files(site)) == (before, shared)
    archives(site)
    assert "has no backup of it yet: make archive ARGS=--full" in said
    assert "WARNING  archive      it has no backup of this database" in await run(book, "Verify")
    archived = await asyncio.to_thread(site.script, "archive", "--full")
    assert archived.returncode == 0, archived.stderr
    assert "ok       archive      it takes the log; its newest backup is 0 h old" in site.script("doctor", "archive").stdout
    await talk(site)


async def test_point_in_time(book: Book, site: Stack) -> None:
    """Restore to the second before all messages were overwritten, then to one after.

    Before that one time is out of reach, and one way there ends half way.
    """
    await run(book, "Do", number=0)
    await run(book, "Look")
    await talk(site)
    before, book.here["2026-11-30 12:34:56+00"] = rows(site), now(site)
    sql(site, "UPDATE chat_event SET text = 'gone'")
    mistaken, book.here["2026-11-30 12:40:00+00"] = rows(site), now(site)
    assert mistaken["chat_event"] != before["chat_event"]
    epoch = sql(site, "SELECT epoch FROM ops_installation")
    await stays_as_it_is(site, mistaken)
    await asyncio.to_thread(end_half_way, site, book.here["2026-11-30 12:34:56+00"])
    assert "Going on from the archive" in await run(book, "Do", number=1)
    assert rows(site) == before
    assert sql(site, "SELECT epoch FROM ops_installation") != epoch
    await run(book, "Verify")
    await talk(site)
    await run(book, "Undo")
    assert rows(site) == mistaken
    await talk(site)


async def stays_as_it_is(site: Stack, there: Rows) -> None:
    """Refuse times that the archive does not reach; the stack serves on.

    That a time is before the first backup only the archive knows, with Postgres stopped.
    """
    started = site.containers("postgres")[0]["State"]["StartedAt"]
    for no_time, why in (("yesterday", "this is 'yesterday'"), ("2999-01-01 00:00:00Z", "is yet to come")):
        refused = site.script("archive", "--rewind", no_time)
        assert (refused.returncode, why in refused.stderr) == (1, True), refused.stderr
    assert site.containers("postgres")[0]["State"]["StartedAt"] == started
    refused = await asyncio.to_thread(site.script, "archive", "--rewind", "2020-01-01 00:00:00Z")
    assert refused.returncode == 1
    assert "The database is not changed. Starting it again." in refused.stderr
    assert "the archive cannot bring back 2020-01-01 00:00:00Z" in refused.stderr
    assert rows(site) == there
    await talk(site)
    archives(site)


# pg_control is restored last.
AWAY = "find . -name 'pg_control.*' -exec mv {} {}.away ';'"
BACK = """find . -name '*.away' | while read -r file; do mv "$file" "${file%.away}"; done"""


def end_half_way(site: Stack, moment: str) -> None:
    """Rewind while the archive lacks a file; it has the file again afterwards."""
    in_archive(site, AWAY)
    broken = site.script("archive", "--rewind", moment)
    assert broken.returncode == 1
    assert "The database is not changed" not in broken.stderr
    assert "the stack stays stopped" in broken.stderr
    stopped = [one["State"]["Running"] for service in ("nginx", "web", "worker", "postgres") for one in site.containers(service)]
    assert not any(stopped)
    in_archive(site, BACK)


def in_archive(site: Stack, command: str) -> None:
    beside = ("compose", "run", "--rm", "--no-deps", "-T", "--entrypoint", "sh", "postgres", "-ec")
    done = site.script(*beside, f"cd /var/lib/pgbackrest/backup && {command}")
    assert done.returncode == 0, done.stderr


def sql(site: Stack, statement: str) -> str:
    answer = site.exec("postgres", "psql", "-U", "postgres", "-d", "hubbub", "-Atc", statement)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


def now(site: Stack) -> str:
    """Return the database's time, with no commit in the second before or after it."""
    time.sleep(1.5)
    found = sql(site, "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS') || '+00'")
    time.sleep(1.5)
    return found


# An operator's own file.
OWN = "services:\n  nginx: {labels: {of: the-operator}}\n"


@pytest.mark.parametrize("days", ["", "2"], ids=["plain", "archive"])
async def test_postgres_upgrade(book: Book, site: Stack, days: str) -> None:
    """To the same version here: no other image is there.

    The way through a new volume is the same.
    """
    book.here |= {"postgres:18": "postgres:17-trixie", '"18"': '"17-trixie"'}
    override, own = book.written(), site.directory / "compose.override.yaml"
    if days:
        override = override.replace("    image: postgres:17-trixie\n", book.written(1))
    else:
        change_env(site, ARCHIVE_DAYS="")
        await asyncio.to_thread(site.up)
    try:
        before = rows(site)
        await run(book, "Look")
        await run(book, "Do", number=0)
        if days:
            own.write_text(OWN)
        await run(book, "Do", number=1)
        own.write_text(override.replace("services:\n", OWN) if days else override)
        await run(book, "Do", number=2)
        assert rows(site) == before
        assert "/pgdata" in sql(site, "SHOW data_directory")
        if days:
            archives(site)
        await run(book, "Verify")
        await run(book, "Undo")
        assert rows(site) == before
        assert (own.read_text() if own.exists() else "") == (OWN if days else "")
    finally:
        own.unlink(missing_ok=True)
        if not days:
            change_env(site, ARCHIVE_DAYS="2")
            await asyncio.to_thread(site.up)
    archives(site)
    docker("volume", "rm", f"{site.project}_postgres18")


async def test_move(book: Book, site: Stack, tmp_path: Path) -> None:
    """The other server is another checkout.

    A new server has no volume, so the test removes it.
    """
    await run(book, "Look")
    before = rows(site)
    await run(book, "Do", number=0)
    site.script("compose", "down", "--volumes")
    other = tmp_path / "hubbub"
    shutil.copytree(site.directory, other, ignore=shutil.ignore_patterns("var", ".env"))
    (other / "var" / "backups").mkdir(parents=True)
    shutil.copy2(newest(site.directory), other / "var" / "backups")
    site.directory.rename(site.directory.with_name("old server"))
    site.directory = book.checkout = other
    await run(book, "Do", number=1)
    assert rows(site) == before
    archives(site)
    await run(book, "Verify")
    await talk(site)


def newest(directory: Path) -> Path:
    return max((directory / "var" / "backups").glob("hubbub-*.tar.gz*"))


async def retried(check: Callable[[], object], seconds: float = 60) -> None:
    """Check until it passes: the app comes back by itself within seconds."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                await asyncio.to_thread(check)
            except AssertionError:
                await asyncio.sleep(1)
            else:
                return
