"""`manage.py doctor`: each check, with the one thing broken that it is about."""

import json
import re
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from pytest_django.fixtures import Settings

from config.environment import Environment
from ops.doctor import machine, public
from ops.doctor.findings import Finding, Level, Options, run_checks
from ops.doctor.settings import check_settings
from ops.management.commands.doctor import CHECKS
from tests.support.certificates import make_certificate
from tests.support.ports import free_port
from tests.support.processes import Process
from tests.support.profile import Profile
from tests.support.server import ROOT, Server, base_environment, manage

pytestmark = [pytest.mark.integration, pytest.mark.once, pytest.mark.timeout(180)]

FORWARDED = """
proxy_bind 127.0.0.3; proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;
proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
"""
TRUSTS_ALL = "set_real_ip_from 0.0.0.0/0; real_ip_header X-Forwarded-For; real_ip_recursive on;"


def levels(findings: list[Finding]) -> dict[str, Level]:
    """Return the worst level of each check."""
    order = [Level.OK, Level.WARNING, Level.FAILURE]
    found: dict[str, Level] = {}
    for one in findings:
        found[one.check] = max(found.get(one.check, Level.OK), one.level, key=order.index)
    return found


# --- settings


@pytest.mark.parametrize(
    ("broken", "level", "change"),
    [
        ({}, Level.OK, ""),
        ({"MISSPELT": {"SIGNUP_OPNE": "SIGNUP_OPEN"}}, Level.FAILURE, "rename SIGNUP_OPNE to SIGNUP_OPEN"),
        ({"PUBLIC_URL": "http://chat.example.com"}, Level.WARNING, "PUBLIC_URL=https://"),
        ({"ALLOW_SEED": True}, Level.WARNING, "remove ALLOW_SEED"),
        ({"EMBEDDED": True}, Level.WARNING, "DATABASE_URL=postgres://"),
        ({"REDIS_SHARDS": []}, Level.WARNING, "REDIS_URL=redis://"),
    ],
)
def test_a_setting_that_is_a_mistake_is_named(settings: Settings, broken: dict[str, Any], level: Level, change: str) -> None:
    sound = {"MISSPELT": {}, "DEPLOYMENT": "production", "PUBLIC_URL": "https://chat.example.com", "ALLOW_SEED": False}
    sound |= {"EMBEDDED": False, "REDIS_SHARDS": [{}]}
    for name, value in (sound | broken).items():
        setattr(settings, name, value)
    (found,) = check_settings(Options())
    assert found.level == level
    assert found.change.startswith(change)


def test_misspelt_names_are_kept_for_the_doctor() -> None:
    with pytest.warns(UserWarning, match="did you mean"):
        assert Environment({"SIGNUP_OPNE": "1"}).misspelt == {"SIGNUP_OPNE": "SIGNUP_OPEN"}


# --- the machine


@pytest.mark.parametrize(
    ("total_mib", "free_mib", "level"),
    [(100_000, 60_000, Level.OK), (100_000, 9_000, Level.WARNING), (20_000, 900, Level.FAILURE), (64, 8, Level.FAILURE)],
)
def test_a_full_disk_is_named(total_mib: int, free_mib: int, level: Level) -> None:
    found = [*machine.check_disk(Options(disks={"postgres": (total_mib * 2**20, free_mib * 2**20)}))]
    (one,) = [one for one in found if one.text.startswith("postgres:")]
    assert one.level == level
    assert bool(one.change) == (level != Level.OK)


@pytest.mark.parametrize(("limit", "level"), [(1_024, Level.FAILURE), (8_192, Level.WARNING), (20_000, Level.OK)])
def test_few_open_files_are_named(tmp_path: Path, limit: int, level: Level) -> None:
    """The hard limit is set in a child: a process may not raise its own again."""
    code = "from ops.doctor import findings, machine; print([*machine.check_files(findings.Options())][0].level)"
    done = subprocess.run(
        [ROOT / ".venv" / "bin" / "python", ROOT / "app" / "manage.py", "shell", "-c", code],
        env=base_environment() | {"DATA_DIR": str(tmp_path), "PORT": str(free_port())},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split()[-1] == level


@pytest.mark.parametrize(("ahead_s", "level"), [(0.1, Level.OK), (-3.0, Level.WARNING), (30.0, Level.FAILURE)])
def test_a_wrong_clock_is_named(monkeypatch: pytest.MonkeyPatch, ahead_s: float, level: Level) -> None:
    monkeypatch.setattr(machine, "_clocks", lambda: iter([("the database", ahead_s)]))
    (found,) = machine.check_clock(Options())
    assert found.level == level


def test_workers_without_memory_are_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.EMBEDDED, settings.WORKER_MEMORY_MB = True, 256
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1")
    monkeypatch.setenv("WEB_CONCURRENCY", "4000")
    (found,) = machine.check_workers(Options())
    assert found.level == Level.FAILURE
    assert found.change.startswith("WEB_CONCURRENCY=")
    monkeypatch.setenv("WEB_CONCURRENCY", "4x")
    (found,) = machine.check_workers(Options())
    assert "WEB_CONCURRENCY must be a positive integer" in found.text


# --- SQLite


def damage_log(directory: Path) -> None:
    """Spoil the page at which the log of messages begins."""
    file = directory / "hubbub.sqlite3"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'chat_event'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    content = bytearray(file.read_bytes())
    content[(page - 1) * size : (page - 1) * size + 64] = b"\xff" * 64
    file.write_bytes(content)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a migrated database in SQLite."""
    directory = tmp_path_factory.mktemp("sqlite")
    manage("migrate", "--no-input", env=base_environment() | {"DATA_DIR": str(directory)})
    return directory


def first_of_sqlite(directory: Path, lines: str = "") -> list[str]:
    """Run these lines of Python; return level, text and change of the first finding."""
    code = f"""
import json
from django.db import connection
from ops.doctor import database
from ops.doctor.findings import Options
{lines}
connection.close()
found = next(database.check_database(Options()))
print(json.dumps([str(found.level), found.text, found.change]))
"""
    shown = manage("shell", "-c", code, env=base_environment() | {"DATA_DIR": str(directory)})
    found: list[str] = json.loads(shown.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    ("lines", "level", "text"),
    [
        ("", "ok", "sqlite 3."),
        ("database.OLDEST_SQLITE = (99, 0, 0)", "failure", "is too old"),
        # As on a disk without shared memory between processes.
        (
            "connection.settings_dict['OPTIONS']['init_command'] = 'PRAGMA journal_mode=DELETE'",
            "failure",
            "cannot use its write-ahead log",
        ),
    ],
    ids=["sound", "version", "write-ahead-log"],
)
def test_fault_of_sqlite_is_named(migrated: Path, lines: str, level: str, text: str) -> None:
    found = first_of_sqlite(migrated, lines)
    assert (found[0], text in found[1]) == (level, True), found
    assert bool(found[2]) == (level == "failure")


def test_damaged_file_of_sqlite_is_named(migrated: Path, tmp_path: Path) -> None:
    shutil.copytree(migrated, tmp_path, dirs_exist_ok=True)
    damage_log(tmp_path)
    level, text, change = first_of_sqlite(tmp_path)
    assert (level, text.startswith("the file is damaged: "), "btreeInitPage()" in text) == ("failure", True, True), text
    assert "docs/runbooks/restore.md" in change


# --- the address people use


@pytest.fixture(scope="module")
def fronted(profile: Profile) -> Iterator[tuple[Server, int]]:
    """A server with the port of its proxy, which each test starts as it likes."""
    port = free_port()
    server = Server(profile, {"PUBLIC_URL": f"http://127.0.0.2:{port}", "TRUSTED_PROXIES": "127.0.0.3"})
    try:
        server.start()
        yield server, port
    finally:
        server.close()


@pytest.fixture
def nginx(fronted: tuple[Server, int], tmp_path: Path, settings: Settings) -> Iterator[Callable[[str], None]]:
    """Start a proxy with these directives.

    The checks then take the server's settings for theirs.
    """
    server, port = fronted
    settings.PUBLIC_URL = server.env["PUBLIC_URL"]
    settings.SECRET_KEY = server.shell("from django.conf import settings; print(settings.SECRET_KEY)").strip()
    running: list[Process] = []

    def start(directives: str) -> None:
        (tmp_path / "nginx.conf").write_text(f"""
            daemon off; pid {tmp_path}/pid; error_log stderr; worker_processes 1;
            events {{ worker_connections 64; }}
            http {{
                access_log off; client_body_temp_path {tmp_path}; proxy_temp_path {tmp_path}; fastcgi_temp_path {tmp_path};
                uwsgi_temp_path {tmp_path}; scgi_temp_path {tmp_path};
                server {{
                    listen 127.0.0.2:{port};
                    location / {{ proxy_pass http://127.0.0.1:{server.port}; {directives} }}
                }}
            }}
        """)
        process = Process(["/usr/sbin/nginx", "-c", tmp_path / "nginx.conf", "-e", "stderr"], env={}, log=tmp_path / "log")
        running.append(process)
        process.wait_until((tmp_path / "pid").exists, timeout=10, what="nginx")

    yield start
    for process in running:
        process.kill()


def test_a_sound_proxy_passes(nginx: Callable[[str], None]) -> None:
    nginx(FORWARDED)
    found = [*public.check_public(Options())]
    assert levels(found) == {"address": Level.OK, "socket": Level.OK}, found


@pytest.mark.parametrize(
    ("directives", "checks", "change"),
    [
        (FORWARDED.replace("$http_host", "$proxy_host"), {"address", "socket"}, "the proxy must pass Host"),
        (FORWARDED.replace("Proto $scheme", "Proto https"), {"address", "socket"}, "the proxy must set X-Forwarded-Proto"),
        (FORWARDED + 'proxy_set_header Origin "";', {"address"}, "the proxy must pass Origin"),
        (FORWARDED + 'proxy_set_header Origin "http://elsewhere.example";', {"address", "socket"}, "ALLOWED_ORIGINS="),
        (FORWARDED.replace("127.0.0.3", "127.0.0.2"), {"address"}, "TRUSTED_PROXIES"),
        (FORWARDED + TRUSTS_ALL, {"address"}, "TRUSTED_PROXIES must name the proxies alone"),
        (FORWARDED.replace("Upgrade $http_upgrade", 'Upgrade ""'), {"socket"}, public.UPGRADE),
    ],
    ids=["host", "scheme", "no-origin", "origin", "client", "forged", "upgrade"],
)
def test_a_proxy_that_changes_a_thing_is_named(
    nginx: Callable[[str], None], directives: str, checks: set[str], change: str
) -> None:
    nginx(directives)
    found = [*public.check_public(Options())]
    failed = [one for one in found if one.level == Level.FAILURE]
    assert {one.check for one in failed} == checks, found
    assert any(one.change.startswith(change) for one in failed), found


@pytest.mark.parametrize(
    ("own", "level"), [("9.9.9.9", Level.FAILURE), ("127.0.0.1", Level.FAILURE), ("172.18.0.5", Level.WARNING)]
)
def test_forged_address_from_a_container_is_a_warning(monkeypatch: pytest.MonkeyPatch, own: str, level: Level) -> None:
    """The proxies may trust the doctor's own network, and no other one."""
    monkeypatch.setattr(public, "_ask", lambda _, **more: ({"client": more["X_Forwarded_For"]}, own, "192.0.2.1"))
    (found,) = public._forged("address", Options())
    assert (found.level, own in found.text) == (level, level == Level.WARNING)
    assert found.change.startswith("TRUSTED_PROXIES must name the proxies alone")


def test_another_server_at_the_address_is_named(nginx: Callable[[str], None], settings: Settings) -> None:
    nginx(FORWARDED)
    settings.SECRET_KEY = "of another installation"
    (found,) = public.check_public(Options())
    assert found.level == Level.FAILURE
    assert "not as this installation" in found.text


def test_an_address_that_leads_nowhere_is_named(settings: Settings) -> None:
    settings.PUBLIC_URL = f"http://127.0.0.2:{free_port()}"
    (found,) = public.check_public(Options(timeout=1))
    assert (found.check, found.level) == ("address", Level.FAILURE)


def test_a_pod_that_may_not_call_out_gives_a_link(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.PUBLIC_URL = f"http://127.0.0.2:{free_port()}"
    monkeypatch.setattr(public, "in_pod", lambda: True)
    (found,) = public.check_public(Options(timeout=1))
    assert found.level == Level.WARNING
    assert "doctor --link" in found.change
    assert public.link().startswith(f"{settings.PUBLIC_URL}/doctor?token=")


def test_a_server_that_is_away_is_named(settings: Settings, fronted: tuple[Server, int]) -> None:
    server, _ = fronted
    settings.LISTEN_HOST, settings.LISTEN_PORT = "0.0.0.0", server.port
    (found,) = public.check_server(Options())
    assert found.level == Level.OK
    settings.LISTEN_PORT = free_port()
    (found,) = public.check_server(Options())
    assert found.level == Level.FAILURE


def test_echo_does_not_exist_without_a_token(fronted: tuple[Server, int]) -> None:
    server, _ = fronted
    lines = "from django.core import signing\nfrom ops import echo\nprint(echo.make_token())"
    token = server.shell(lines).strip()
    for query, status in (("", 404), ("?token=x", 404), (f"?token={token}", 200)):
        assert httpx.get(f"{server.base_url}/doctor{query}", headers={"Host": "localhost"}).status_code == status


# --- the certificate


@pytest.mark.parametrize(
    ("days", "life", "trusted", "level"),
    [
        (90, 100, True, Level.OK),
        (5, 100, True, Level.WARNING),
        (3, 6, True, Level.OK),
        (1, 6, True, Level.WARNING),
        (-2, 100, True, Level.FAILURE),
        (90, 100, False, Level.FAILURE),
    ],
    ids=["good", "soon", "short-lived", "short-lived-soon", "expired", "untrusted"],
)
def test_a_certificate_that_browsers_refuse_is_named(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, days: int, life: int, trusted: bool, level: Level
) -> None:
    file, key = make_certificate(tmp_path, days=days, life=life)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
    port = free_port()
    command: list[str | Path] = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", file, "-key", key, "-www"]
    server = Process(command, env=base_environment(), log=tmp_path / "log")
    try:
        server.wait_until(lambda: "ACCEPT" in (tmp_path / "log").read_text(), timeout=10, what="openssl")
        settings.PUBLIC_URL = f"https://localhost:{port}"
        found = next(iter(public.check_public(Options(via=f"127.0.0.1:{port}"))))
        assert (found.check, found.level) == ("certificate", level), found
    finally:
        server.kill()


# --- the command


def test_command_reports_as_text_and_json_and_by_its_exit_code(tmp_path: Path) -> None:
    env = base_environment() | {"DATA_DIR": str(tmp_path), "PORT": str(free_port())}
    with pytest.raises(RuntimeError, match=r"FAILURE  server .*nothing answers(.|\n)*→ make up") as failed:
        manage("doctor", "server", env=env)
    assert "1 failed, 0 warnings" in str(failed.value)
    report = json.loads(manage("doctor", "settings", "--json", "--disk", "postgres=/dev/vda 100 1 99 1% /", env=env))
    assert report["ok"] is True
    assert [one["check"] for one in report["findings"]] == ["settings"]
    with pytest.raises(RuntimeError, match="no check is called nonsense"):
        manage("doctor", "nonsense", env=env)


def test_a_check_that_raises_is_a_failure_of_its_name() -> None:
    def check_moon(_: Options) -> list[Finding]:
        raise ValueError("no moon\nsecond line")

    (found,) = run_checks([check_moon], Options())
    assert (found.check, found.level, found.text) == ("moon", Level.FAILURE, "the check itself failed: ValueError: no moon")


def test_fault_of_the_database_is_reported_once(tmp_path: Path) -> None:
    """Without tables, what features look at is not there either."""
    env = base_environment() | {"DATA_DIR": str(tmp_path)}
    with pytest.raises(RuntimeError, match=r"migrations   .* are not applied") as failed:
        manage("doctor", "database", "push", "mail", env=env)
    assert "the check itself failed" not in str(failed.value)
    assert "1 failed, 2 warnings" in str(failed.value)
    with pytest.raises(RuntimeError, match=r"FAILURE  mail .*the check itself failed: OperationalError"):
        manage("doctor", "mail", env=env)


# Of each check the test that breaks its one thing.
HERE, POSTGRES = "tests/ops/test_doctor.py", "tests/ops/postgres/"
BROKEN_BY = {
    "settings": f"{HERE}::test_a_setting_that_is_a_mistake_is_named",
    "database": f"{POSTGRES}test_doctor.py::test_a_database_fault_is_named",
    "backup": "tests/ops/test_backup.py::test_doctor_warns_of_an_old_backup_only",
    "archive": f"{POSTGRES}test_doctor_archive.py::test_archive_that_takes_no_log_is_named",
    "replica": f"{POSTGRES}test_doctor_replica.py::test_paused_standby_is_named_with_its_remedy",
    "redis": f"{POSTGRES}test_doctor.py::test_policy_and_memory_of_redis_are_named",
    "server": f"{HERE}::test_a_server_that_is_away_is_named",
    "public": f"{HERE}::test_a_proxy_that_changes_a_thing_is_named",
    "clock": f"{HERE}::test_a_wrong_clock_is_named",
    "disk": f"{HERE}::test_a_full_disk_is_named",
    "files": f"{HERE}::test_few_open_files_are_named",
    "workers": f"{HERE}::test_workers_without_memory_are_named",
    "push": "tests/features/notifications/test_doctor.py::test_devices_that_are_refused_are_named",
    "mail": "tests/features/notifications/test_doctor.py::test_mail_server_is_tried",
}


def test_each_check_has_a_test_that_breaks_its_thing() -> None:
    """Also those of features."""
    assert set(BROKEN_BY) == set(CHECKS)
    for check, test in BROKEN_BY.items():
        file, _, name = test.partition("::")
        source = (ROOT / file).read_text()
        assert re.search(rf"^(async )?def {name}\(", source, flags=re.MULTILINE), f"{check}: there is no {test}"
