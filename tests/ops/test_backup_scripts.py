"""scripts/backup, restore and doctor when something is wrong.

They report the fault, and leave nothing half done.
"""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ops.management.commands.backup import own_backups
from tests.support.drop_ins import documented_drop_ins, environment_of
from tests.support.profile import Profile
from tests.support.server import ROOT, Server, base_environment, manage

pytestmark = [pytest.mark.integration, pytest.mark.once, pytest.mark.timeout(180)]

# A disk of its own for the backups, of a few KiB, in a namespace that ends with the command.
WITH_A_SMALL_DISK = """
mount -t tmpfs -o "size=$1" none "$2" && shift 2 || exit
code=0; "$@" || code=$?; ls -A -I .checkout "$BACKUP_DIR"; exit $code
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a checkout without .env, var and its own environment.

    A server of containers has such a checkout.
    """
    made = tmp_path / "checkout"
    made.mkdir()
    shutil.copytree(ROOT / "scripts", made / "scripts")
    shutil.copy(ROOT / "compose.yaml", made)
    (made / "app").symlink_to(ROOT / "app")
    return made


@pytest.fixture
def embedded(checkout: Path) -> Path:
    (checkout / ".venv").symlink_to(Path(sys.executable).parent.parent)
    return checkout


@pytest.fixture(scope="module")
def env(profile: Profile) -> Iterator[dict[str, str]]:
    """The settings of an installation with some rows and files."""
    server = Server(profile)
    server.shell("from accounts.services import user_create; user_create(username='ada', password='correct horse battery')")
    (server.data_dir / "files").mkdir(exist_ok=True)
    (server.data_dir / "files" / "picture").write_bytes(os.urandom(600_000))
    yield server.env
    server.close()


@dataclass(frozen=True)
class Key:
    """A key that backups are encrypted for, and settings that do and do not find it."""

    backup: dict[str, str]
    right: dict[str, str]
    wrong: tuple[dict[str, str], ...]


Keys = dict[str, Key]
ENCRYPTED = pytest.mark.parametrize("program", ["gpg", "age"])


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keys]:
    """Ada's keys of both programs, Eve's, and a locked key.

    The test types no passphrase for it.
    """
    made: dict[str, list[Path]] = {}
    for name in ("ada", "locked", "eve"):
        home, identity = tmp_path_factory.mktemp("gnupg"), tmp_path_factory.mktemp("age") / "key.txt"
        home.chmod(0o700)
        new = ["gpg", "--batch", "--quiet", "--passphrase", "open sesame" if name == "locked" else ""]
        new += ["--pinentry-mode", "loopback", "--quick-gen-key", f"{name}@example.com", "rsa2048", "encr"]
        subprocess.run(new, env=base_environment() | {"GNUPGHOME": str(home)}, check=True, timeout=120)
        subprocess.run(["age-keygen", "--output", identity], capture_output=True, check=True, timeout=20)
        made[name] = [home, identity]
    homes = {name: {"GNUPGHOME": str(home)} for name, (home, _) in made.items()}
    files = {name: {"BACKUP_IDENTITY": str(identity)} for name, (_, identity) in made.items()}
    shown = subprocess.run(["age-keygen", "-y", made["ada"][1]], capture_output=True, text=True, check=True, timeout=20)
    recipient = {"BACKUP_ENCRYPT_TO": shown.stdout.strip()}
    yield {
        "gpg": Key(homes["ada"] | {"BACKUP_ENCRYPT_TO": "ada@example.com"}, homes["ada"], (homes["eve"],)),
        "locked": Key(homes["locked"] | {"BACKUP_ENCRYPT_TO": "locked@example.com"}, {}, (homes["locked"], homes["eve"])),
        "age": Key(recipient, files["ada"], (files["eve"], {}, {"BACKUP_IDENTITY": "/nowhere/key.txt"})),
    }
    for used in homes.values():
        subprocess.run(["gpgconf", "--kill", "all"], env=base_environment() | used, check=True, timeout=20)
        assert not (Path(used["GNUPGHOME"]) / "S.dirmngr").exists(), "no key is looked for in the network"


def database(env: dict[str, str], statement: str) -> object:
    """Run a statement in the installation's database; return the first value it finds."""
    with closing(sqlite3.connect(Path(env["DATA_DIR"]) / "hubbub.sqlite3", timeout=10)) as connection, connection:
        return (connection.execute(statement).fetchone() or [None])[0]


STORED = "SELECT backed_up_at FROM ops_installation"


@pytest.fixture
def never(env: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The settings of the installation when no backup of it was made."""
    database(env, "UPDATE ops_installation SET backed_up_at = NULL")
    return env | {"BACKUP_DIR": str(tmp_path / "backups")}


def run(
    checkout: Path, name: str, *arguments: str, env: dict[str, str], small: str = "", cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [checkout / "scripts" / name, *arguments]
    if small:
        Path(env["BACKUP_DIR"]).mkdir(exist_ok=True)
        command = ["unshare", "--mount", "sh", "-c", WITH_A_SMALL_DISK, "sh", small, env["BACKUP_DIR"], *command]
    where = cwd or checkout
    return subprocess.run(command, env=env, cwd=where, capture_output=True, text=True, check=False, timeout=120, input="")


def backups_in(directory: Path) -> list[Path]:
    """Return all that is in a directory but the note whose it is."""
    return [path for path in directory.iterdir() if path.name != ".checkout"]


def needs_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")


@pytest.mark.parametrize(
    ("size", "program", "says"),
    [("300k", "", "no room is left in"), ("900k", "gpg", "could not be encrypted"), ("900k", "age", "could not be encrypted")],
)
def test_nothing_is_left_of_a_backup_without_room_on_the_disk(
    embedded: Path, env: dict[str, str], keys: Keys, tmp_path: Path, size: str, program: str, says: str
) -> None:
    """300 KiB do not hold the backup.

    900 KiB hold it, but not its encrypted copy beside it.
    """
    needs_root()
    made = env | {"BACKUP_DIR": str(tmp_path / "small")} | (keys[program].backup if program else {})
    done = run(embedded, "backup", env=made, small=size)
    assert done.returncode != 0
    assert "Wrote" not in done.stderr
    assert says in done.stderr
    assert done.stdout.split() == [], done.stderr
    enough = run(embedded, "backup", env=made, small="4m")
    assert enough.returncode == 0, enough.stderr
    (name,) = enough.stdout.split()
    assert name.endswith(f".tar.gz.{program}" if program else ".tar.gz")


# Three backups of 500 KB, and room for no fourth.
WITH_A_FULL_DISK = """
mount -t tmpfs -o size=2000k none "$BACKUP_DIR"
for day in 1 2 3; do head -c 500000 /dev/zero >"$BACKUP_DIR/hubbub-2026010${day}T031700Z.tar.gz"; done
code=0; "$@" || code=$?; ls -A -I .checkout "$BACKUP_DIR"; exit $code
"""


@pytest.mark.drill
@pytest.mark.parametrize("by", ["script", "timer"])
@pytest.mark.parametrize("keep", [3, 2])
def test_full_disk_is_named_and_fewer_kept_make_room(
    embedded: Path, env: dict[str, str], tmp_path: Path, by: str, keep: int
) -> None:
    """Those that are kept stay: there is no newer one yet."""
    needs_root()
    directory = tmp_path / "full"
    directory.mkdir()
    command: list[str | Path] = [embedded / "scripts" / "backup"]
    if by == "timer":
        command = [sys.executable, ROOT / "app" / "manage.py", "backup", "--into", directory, "--keep", str(keep)]
    made = env | {"BACKUP_DIR": str(directory), "BACKUP_KEEP": str(keep)}
    whole = ["unshare", "--mount", "sh", "-c", WITH_A_FULL_DISK, "sh", *command]
    done = subprocess.run(whole, env=made, cwd=embedded, capture_output=True, text=True, check=False, timeout=120, input="")
    left, old = done.stdout.split(), [f"hubbub-2026010{day}T031700Z.tar.gz" for day in (1, 2, 3)]
    if keep == 2:
        assert done.returncode == 0, done.stderr
        assert left[0] == old[2]
        assert len(left) == keep
        return
    assert (done.returncode, left) == (1, old), done.stderr
    assert f"no room is left in {directory} for the backup" in done.stderr
    assert ("lower --keep" if by == "timer" else "lower BACKUP_KEEP") in done.stderr
    if by == "timer":
        assert "the 3 of before hold 1.4 MiB, the newest 0.5 MiB" in done.stderr
        assert "Traceback" not in done.stderr


def test_unfinished_files_are_no_backups_and_go_after_a_day(embedded: Path, env: dict[str, str], tmp_path: Path) -> None:
    made = env | {"BACKUP_DIR": str(tmp_path), "BACKUP_KEEP": "1"}
    names = (
        ".hubbub-20260101T000000Z.tar.gz.part",
        ".hubbub-20260101T000001Z.tar.gz.part",
        "hubbub-20260101T000002Z.tar.gz.part",
    )
    for name in names:
        (tmp_path / name).touch()
    for name in (names[0], names[2]):
        os.utime(tmp_path / name, (0, 0))
    assert run(embedded, "backup", env=made).returncode == 0
    left = sorted(path.name for path in tmp_path.iterdir() if "hubbub-" in path.name)
    assert left[0] == names[1], "it may be under way"
    assert [name for name in left if name.startswith("hubbub-")] == left[1:]
    assert len(left) == 2


def test_latest_is_the_newest_backup_of_both_directories(embedded: Path, env: dict[str, str], tmp_path: Path) -> None:
    """The time in its name counts, and a part of a backup is none.

    Reading it changes nothing.
    """
    usual, other = embedded / "var" / "backups", tmp_path / "other"
    for directory in (usual, other):
        directory.mkdir(parents=True)
    made = env | {"BACKUP_DIR": str(other)}
    assert "there is no backup in" in run(embedded, "restore", "--check", "latest", env=made).stderr
    (usual / "hubbub-20260101T000000Z.tar.gz").write_text("old")
    assert run(embedded, "backup", env=made).returncode == 0
    (newest,) = backups_in(other)
    for name in ("hubbub-29990101T000000Z.tar.gz.part", ".hubbub-29990101T000000Z.tar.gz.part", "notes"):
        (other / name).write_text("no backup")
    os.utime(newest, (0, 0))
    done = run(embedded, "restore", "--check", "latest", env=made)
    assert done.returncode == 0, done.stderr
    assert f"The newest backup is {newest}." in done.stderr
    assert "sound, and fits here" in done.stderr
    assert "Restored" not in done.stderr
    fresh = made | {"DATA_DIR": str(tmp_path / "fresh")}
    restored = run(embedded, "restore", "latest", env=fresh)
    assert restored.returncode == 0, restored.stderr
    assert database(fresh, "SELECT username FROM accounts_user") == "ada"
    # Of before BACKUP_DIR was another one.
    newest.rename(usual / "hubbub-20260102T000000Z.tar.gz")
    assert (
        f"The newest backup is {usual}/hubbub-20260102T000000Z.tar.gz."
        in run(embedded, "restore", "--check", "latest", env=made).stderr
    )


def test_damaged_backup_is_named_by_the_check(embedded: Path, env: dict[str, str], tmp_path: Path) -> None:
    manage("backup", str(tmp_path / "whole"), env=env)
    (tmp_path / "cut").write_bytes((tmp_path / "whole").read_bytes()[:-200])
    done = run(embedded, "restore", "--check", str(tmp_path / "cut"), env=env)
    assert (done.returncode, "cut short" in done.stderr) == (1, True), done.stderr


def test_directory_of_another_checkout_is_refused(embedded: Path, env: dict[str, str], tmp_path: Path) -> None:
    """Its backups would be removed as the oldest ones of this installation."""
    directory, other = tmp_path / "of both", tmp_path / "another checkout"
    shutil.copytree(embedded, other, symlinks=True)
    made = env | {"BACKUP_DIR": str(directory), "BACKUP_KEEP": "1"}
    assert run(other, "backup", env=made).returncode == 0
    (kept,) = backups_in(directory)
    refused = run(embedded, "backup", env=made)
    assert (refused.returncode, f"has the backups of the checkout {other}" in refused.stderr) == (1, True), refused.stderr
    assert backups_in(directory) == [kept]
    other.rename(tmp_path / "gone")
    moved = run(embedded, "backup", env=made)
    assert moved.returncode == 0, moved.stderr


@pytest.fixture(scope="module")
def second(profile: Profile) -> Iterator[dict[str, str]]:
    """Another installation, as on a second server."""
    server = Server(profile)
    server.shell("from accounts.services import user_create; user_create(username='bob', password='correct horse battery')")
    yield server.env
    server.close()


def on_server(checkout: Path, name: str) -> None:
    """Have the scripts of a checkout find another name of the server."""
    (checkout / "bin").mkdir(exist_ok=True)
    (checkout / "bin" / "uname").write_text(f"#!/bin/sh\necho {name}\n")
    (checkout / "bin" / "uname").chmod(0o755)


@pytest.mark.parametrize("copy", [False, True], ids=["two installations", "a copy of one"])
def test_backups_of_another_server_stay(
    embedded: Path, env: dict[str, str], second: dict[str, str], tmp_path: Path, copy: bool
) -> None:
    """Two servers with the same path of the checkout share a directory."""
    directory = tmp_path / "network"
    directory.mkdir()
    shared = {"BACKUP_DIR": str(directory), "BACKUP_KEEP": "1", "PATH": f"{embedded / 'bin'}:{env['PATH']}"}
    one, other = env | shared, (env if copy else second) | shared
    # Of a release whose names do not tell whose they are.
    (directory / "hubbub-20260101T000000Z.tar.gz").write_text("nameless")
    on_server(embedded, "one")
    assert run(embedded, "backup", env=one).returncode == 0
    (ours,) = backups_in(directory)
    assert ours.name != "hubbub-20260101T000000Z.tar.gz", "it was our own, and the oldest"
    on_server(embedded, "other")
    done = run(embedded, "backup", env=other)
    assert done.returncode == 0, done.stderr
    assert "has 1 backups of another installation, server or checkout, which stay" in done.stderr
    (theirs,) = set(backups_in(directory)) - {ours}
    (directory / "hubbub-29990101T000000Z.tar.gz").write_text("of a third one")
    os.utime(ours, (0, 0))
    time.sleep(1.1)
    assert run(embedded, "backup", env=other).returncode == 0
    assert not theirs.exists()
    assert ours.exists()
    assert (directory / "hubbub-29990101T000000Z.tar.gz").exists()
    (directory / "hubbub-29990101T000000Z.tar.gz").unlink()
    on_server(embedded, "one")
    latest = run(embedded, "restore", "--check", "latest", env=one)
    assert f"The newest backup is {ours}." in latest.stderr, "the other server's is newer"
    on_server(embedded, "third")
    refused = run(embedded, "restore", "latest", env=one | {"DATA_DIR": str(tmp_path / "fresh")})
    assert (refused.returncode, "there are backups of several installations" in refused.stderr) == (1, True), refused.stderr
    ours.unlink()
    moved = run(embedded, "restore", "--check", "latest", env=one)
    assert moved.returncode == 0, moved.stderr
    assert "It was made on another server or in another checkout." in moved.stderr


OLD, ONE, OTHER = "hubbub-20260103T000000Z", "hubbub-20260102T000000Z-0123abcd", "hubbub-20260101T000000Z-4567cdef"


@pytest.mark.parametrize(
    "names",
    [
        (OLD, f"{ONE}-11111111"),
        ("hubbub-20260101T000000Z", f"{ONE}-11111111"),
        (OLD, ONE, "hubbub-20260101T000000Z-0123abcd-11111111"),
        ("hubbub-20260101T000000Z", OLD),
    ],
    ids=["old name newer", "old name older", "installation without its place", "old names alone"],
)
def test_latest_on_a_new_server_is_the_newest_of_one_place(
    embedded: Path, env: dict[str, str], tmp_path: Path, names: tuple[str, ...]
) -> None:
    """Names of before installations and places stood in them say nothing against it."""
    usual, other = embedded / "var" / "backups", tmp_path / "other"
    for directory in (usual, other):
        directory.mkdir(parents=True)
    manage("backup", str(tmp_path / "whole"), env=env)
    for name, directory in zip(sorted(names), (usual, other, other), strict=False):
        shutil.copy(tmp_path / "whole", directory / f"{name}.tar.gz")
    done = run(embedded, "restore", "--check", "latest", env=env | {"BACKUP_DIR": str(other)})
    assert done.returncode == 0, done.stderr
    assert f"/{max(names)}.tar.gz." in done.stderr


@pytest.mark.parametrize(
    "names",
    [(f"{ONE}-11111111", f"{OTHER}-11111111"), (f"{ONE}-11111111", "hubbub-20260101T000000Z-0123abcd-22222222"), (ONE, OTHER)],
    ids=["two installations", "two places", "two without a place"],
)
def test_latest_on_a_new_server_names_each_installation(
    embedded: Path, env: dict[str, str], tmp_path: Path, names: tuple[str, ...]
) -> None:
    older = "hubbub-20250101T000000Z" + names[0].removeprefix("hubbub-20260102T000000Z")
    for name in (*names, older, OLD):
        (tmp_path / f"{name}.tar.gz").write_text("a backup")
    refused = run(embedded, "restore", "latest", env=env | {"BACKUP_DIR": str(tmp_path)})
    assert refused.returncode == 1
    assert "there are backups of several installations or places" in refused.stderr
    assert refused.stderr.splitlines()[1:] == [f"  FROM={tmp_path}/{name}.tar.gz" for name in names]


def picked_by_shell(directory: Path, owner: str) -> list[str]:
    """Return the names that scripts/backup takes for this owner's backups."""
    script = '. "$1/common.sh"; . "$1/stack.sh"; . "$1/backups.sh"; own_backups "$2" "$3"'
    command: list[str | Path] = ["bash", "-euc", script, "bash", ROOT / "scripts" / "lib", directory, owner]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    return [Path(line).name for line in done.stdout.splitlines()]


@pytest.mark.parametrize("owner", ["0123abcd", "0123abcd-11111111", "4567cdef"])
@pytest.mark.parametrize("others", ["", "-4567cdef.tar.gz", "-4567cdef-22222222.tar.gz.age", "-0123abcd-33333333.tar.gz.gpg"])
@pytest.mark.parametrize("nameless", ["20260101", "20260109"], ids=["older", "newer"])
def test_both_backup_commands_pick_the_same_files(tmp_path: Path, owner: str, others: str, nameless: str) -> None:
    """One is shell, the other Python: a server of containers has no Python of ours."""
    own = [f"hubbub-2026010{day}T000000Z-{owner}.tar.gz{end}" for day, end in ((4, ""), (3, ".age"), (2, ".gpg"))]
    old = [f"hubbub-{nameless}T00000{second}Z.tar.gz{end}" for second, end in ((2, ""), (1, ".age"))]
    no_backups = [
        f"{own[0]}.part",
        f".{own[0]}.7.part",
        f"{own[0]}.old",
        "hubbub-notes.tar.gz",
        "hubbub-my-notes.tar.gz",
        "notes",
    ]
    foreign = [f"hubbub-20260105T000000Z{others}"] if others else []
    for name in (*own, *old, *foreign, *no_backups):
        (tmp_path / name).touch()
    stranger = bool(others) and owner_of(foreign[0]) != owner
    expected = own if stranger or nameless == "20260109" else own + old
    if foreign and not stranger:
        expected = [*foreign, *expected]
    assert picked_by_shell(tmp_path, owner) == expected
    assert [path.name for path in own_backups(tmp_path, owner)] == expected


def owner_of(name: str) -> str:
    return name.removesuffix(".age").removesuffix(".gpg").removesuffix(".tar.gz").partition("Z-")[2]


def test_relative_directory_lies_in_the_checkout(embedded: Path, env: dict[str, str], tmp_path: Path) -> None:
    made = env | {"BACKUP_DIR": "kept/here", "BACKUP_KEEP": "1"}
    away = tmp_path / "away"
    away.mkdir()
    for folder in (away, embedded):
        done = run(embedded, "backup", env=made, cwd=folder)
        assert done.returncode == 0, done.stderr
        (file,) = backups_in(embedded / "kept" / "here")
        checked = run(embedded, "restore", "--check", "latest", env=made, cwd=folder)
        assert f"The newest backup is {file}." in checked.stderr
        time.sleep(1.1)
    assert [*away.iterdir()] == []


def encrypted(embedded: Path, env: dict[str, str], key: Key, directory: Path) -> Path:
    """Make a backup for this key; return its file, which is all that there is."""
    done = run(embedded, "backup", env=env | {"BACKUP_DIR": str(directory)} | key.backup)
    assert done.returncode == 0, done.stderr
    (file,) = backups_in(directory)
    assert file.stat().st_mode & 0o077 == 0
    assert not file.read_bytes().startswith(b"\x1f\x8b"), "it is no gzip any more"
    return file


@pytest.mark.drill
@ENCRYPTED
def test_encrypted_backup_comes_back(embedded: Path, env: dict[str, str], keys: Keys, tmp_path: Path, program: str) -> None:
    file = encrypted(embedded, env, keys[program], tmp_path / "backups")
    assert file.name.endswith(f".tar.gz.{program}")
    fresh = env | {"DATA_DIR": str(tmp_path / "fresh")}
    done = run(embedded, "restore", str(file), env=fresh | keys[program].right)
    assert done.returncode == 0, done.stderr
    assert database(fresh, "SELECT username FROM accounts_user") == "ada"
    picture = Path("files") / "picture"
    assert (tmp_path / "fresh" / picture).read_bytes() == (Path(env["DATA_DIR"]) / picture).read_bytes()
    assert [*(embedded / "var").iterdir()] == [], "the plain archive goes"


def test_relative_paths_lie_where_the_caller_is(embedded: Path, env: dict[str, str], keys: Keys, tmp_path: Path) -> None:
    """By the script and by make; make -C goes into the checkout first."""
    file = encrypted(embedded, env, keys["age"], tmp_path / "backups")
    shutil.copy(ROOT / "Makefile", embedded)
    away = tmp_path / "away"
    for folder in (away, embedded):
        folder.mkdir(exist_ok=True)
        shutil.copy(file, folder / "file.tar.gz.age")
        shutil.copy(keys["age"].right["BACKUP_IDENTITY"], folder / "key.txt")
    right = env | {"BACKUP_IDENTITY": "key.txt"}
    for folder in (away, embedded):
        done = run(embedded, "restore", "--check", "file.tar.gz.age", env=right, cwd=folder)
        assert done.returncode == 0, done.stderr
    made = ["make", "restore", "ARGS=--check", "FROM=file.tar.gz.age", "BACKUP_IDENTITY=key.txt"]
    done = subprocess.run(made, env=env, cwd=embedded, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    (embedded / "key.txt").unlink()
    made = ["make", "-C", str(embedded), *made[1:]]
    refused = subprocess.run(made, env=env, cwd=away, capture_output=True, text=True, check=False, timeout=120)
    assert f"names age's key file, now {embedded}/key.txt" in refused.stderr
    (embedded / "file.tar.gz.age").unlink()
    refused = subprocess.run(made, env=env, cwd=away, capture_output=True, text=True, check=False, timeout=120)
    assert f"{embedded}/file.tar.gz.age cannot be read" in refused.stderr
    helped = run(embedded, "restore", "--help", env=env).stdout
    assert "A relative FROM or BACKUP_IDENTITY lies in the folder where you call" in helped


def test_nightly_unit_obeys_the_documented_drop_in(embedded: Path, env: dict[str, str], keys: Keys, tmp_path: Path) -> None:
    """The unit's command runs with the variables of docs/deploy.md.

    The paths are the test's. systemd sets no HOME for a unit without a user.
    """
    documented = environment_of(*(documented_drop_ins()[name] for name in ("user", "elsewhere")))
    assert set(documented) == {"DATA_DIR", "BACKUP_DIR", "BACKUP_ENCRYPT_TO"}
    assert documented["BACKUP_ENCRYPT_TO"].startswith("age1")
    disk = tmp_path / "disk"
    disk.mkdir()
    documented["DATA_DIR"] = env["DATA_DIR"]
    documented["BACKUP_DIR"] = documented["BACKUP_DIR"].replace("/mnt/backups", str(disk))
    documented["BACKUP_ENCRYPT_TO"] = keys["age"].backup["BACKUP_ENCRYPT_TO"]
    unit = (embedded / "scripts" / "systemd" / "hubbub-backup.service").read_text()
    (command,) = re.findall(r"^ExecStart=/bin/sh -c '(.*)'$", unit, re.MULTILINE)
    made = {name: value for name, value in env.items() if name != "HOME"} | documented
    # systemd reads $$ as one dollar.
    shell = ["/bin/sh", "-c", command.replace("$$", "$")]
    done = subprocess.run(shell, env=made, cwd=embedded, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    (file,) = backups_in(disk / "hubbub")
    assert file.name.endswith(".tar.gz.age")
    assert not (embedded / "var" / "backups").exists()
    refused = run(embedded, "restore", "--check", str(file), env=made)
    assert refused.returncode != 0, "it is encrypted"
    checked = run(embedded, "restore", "--check", str(file), env=made | keys["age"].right)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("program", ["gpg", "locked", "age"])
def test_backup_that_cannot_be_decrypted_is_named(
    embedded: Path, env: dict[str, str], keys: Keys, tmp_path: Path, program: str
) -> None:
    """With another person's key, with none, or with a locked key and no passphrase."""
    key = keys[program]
    file = encrypted(embedded, env, key, tmp_path / "backups")
    for wrong in key.wrong:
        refused(embedded, file, env | wrong, tmp_path)


@ENCRYPTED
def test_damaged_encrypted_backup_is_named(embedded: Path, env: dict[str, str], keys: Keys, tmp_path: Path, program: str) -> None:
    key = keys[program]
    file = encrypted(embedded, env, key, tmp_path / "backups")
    whole = file.read_bytes()
    middle = len(whole) // 2
    changed = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    for damaged in (b"", b"rubbish", whole[:middle], whole[:-1], changed):
        file.write_bytes(damaged)
        refused(embedded, file, env | key.right, tmp_path)
    file.write_bytes(whole)
    assert run(embedded, "restore", str(file), env=env | {"DATA_DIR": str(tmp_path / "fresh")} | key.right).returncode == 0


def refused(checkout: Path, file: Path, env: dict[str, str], tmp_path: Path) -> None:
    """Restore a file that cannot be decrypted: nothing comes of it."""
    fresh = tmp_path / "fresh"
    done = run(checkout, "restore", str(file), env=env | {"DATA_DIR": str(fresh)})
    assert done.returncode == 1
    assert f"{file} cannot be decrypted" in done.stderr
    assert "Restored" not in done.stderr
    assert [*(checkout / "var").iterdir()] == [], "nothing of it stays"
    assert not (checkout / ".env").exists()
    assert not fresh.exists()


def test_time_is_stored_when_the_backup_has_its_file(embedded: Path, never: dict[str, str], keys: Keys) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    failed = run(embedded, "backup", env=never | keys["gpg"].right | {"BACKUP_ENCRYPT_TO": "nobody@example.com"})
    assert (failed.returncode, "could not be encrypted" in failed.stderr) == (1, True), failed.stderr
    assert database(never, STORED) is None
    done = run(embedded, "backup", env=never)
    assert done.returncode == 0, done.stderr
    assert "is not stored" not in done.stderr
    stored = datetime.fromisoformat(str(database(never, STORED))).replace(tzinfo=UTC)
    assert began <= stored <= datetime.now(UTC)


def test_backup_whose_time_cannot_be_stored_ends_with_0(embedded: Path, never: dict[str, str]) -> None:
    forbid = "CREATE TRIGGER no_write BEFORE UPDATE ON ops_installation BEGIN SELECT RAISE(ABORT, 'read-only'); END"
    database(never, forbid)
    try:
        done = run(embedded, "backup", env=never)
    finally:
        database(never, "DROP TRIGGER no_write")
    assert done.returncode == 0, done.stderr
    assert "the time of the backup could not be stored: read-only" in done.stderr
    assert "The backup is sound, but its time is not stored" in done.stderr
    assert "Wrote" in done.stderr
    assert len([*Path(never["BACKUP_DIR"]).glob("hubbub-*.tar.gz")]) == 1


def test_backup_of_an_empty_database_is_refused(embedded: Path, env: dict[str, str], tmp_path: Path) -> None:
    """Outside the service's environment the settings name an unused database."""
    data, backups = tmp_path / "elsewhere", tmp_path / "backups"
    away = env | {"DATA_DIR": str(data), "BACKUP_DIR": str(backups)}
    done = run(embedded, "backup", env=away)
    assert done.returncode == 1
    assert "Wrote" not in done.stderr
    assert all(name in done.stderr for name in (str(data), "DATA_DIR", "DATABASE_URL")), done.stderr
    assert [*backups.iterdir()] == []
    assert [*data.glob("*.sqlite3*")] == [], "no empty database is made either"
    (data / "hubbub.sqlite3").touch()
    with pytest.raises(RuntimeError, match="has no applied migrations"):
        manage("backup", str(tmp_path / "file"), env=away)
    assert [*tmp_path.glob("file*")] == []


# Of the release before: it verifies without a word of the time, and knows no --record.
BEFORE = """
import sys
if "--record" in sys.argv:
    sys.exit(2)
sys.stdout.write("" if "--verify" in sys.argv else "an archive")
"""


@pytest.mark.drill
def test_backup_of_a_running_release_from_before_is_made(embedded: Path, never: dict[str, str]) -> None:
    """After `git pull` the scripts are newer than the release that runs."""
    (embedded / "app").unlink()
    (embedded / "app").mkdir()
    (embedded / "app" / "manage.py").write_text(BEFORE)
    done = run(embedded, "backup", env=never)
    assert done.returncode == 0, done.stderr
    assert "The backup is sound, but its time is not stored" in done.stderr
    (file,) = backups_in(Path(never["BACKUP_DIR"]))
    assert file.read_text() == "an archive"


def test_damaged_backup_is_named_on_a_server_of_containers(checkout: Path, env: dict[str, str], tmp_path: Path) -> None:
    manage("backup", str(tmp_path / "whole"), env=env)
    whole = (tmp_path / "whole").read_bytes()
    for damaged in (b"", b"rubbish", whole[: len(whole) // 2]):
        (tmp_path / "damaged").write_bytes(damaged)
        done = run(checkout, "restore", str(tmp_path / "damaged"), env=env)
        assert done.returncode == 1
        assert "damaged is no whole backup of a stack" in done.stderr
        assert not (checkout / ".env").exists()
    assert "say which" in run(checkout, "restore", env=env).stderr
    assert "cannot be read" in run(checkout, "restore", str(tmp_path / "none"), env=env).stderr


@pytest.mark.parametrize("name", ["doctor", "backup"])
def test_what_keeps_us_from_the_stack_is_named(checkout: Path, tmp_path: Path, name: str) -> None:
    (checkout / ".env").write_text("SECRET_KEY=a\n")
    env = base_environment()
    for folder in env["PATH"].split(":"):
        for program in Path(folder).glob("*") if Path(folder).is_dir() else ():
            link = tmp_path / "bin" / program.name
            link.parent.mkdir(exist_ok=True)
            if program.name != "docker" and not link.is_symlink():
                link.symlink_to(program)
    without = run(checkout, name, env=env | {"PATH": str(tmp_path / "bin")})
    assert (without.returncode, "docker is not installed" in without.stderr) == (1, True), without.stderr
    if shutil.which("docker"):
        away = run(checkout, name, env=env | {"DOCKER_HOST": f"unix://{tmp_path}/none"})
        assert (away.returncode, "cannot talk to the Docker engine" in away.stderr) == (1, True), away.stderr


def test_doctor_without_any_installation_says_so(checkout: Path, tmp_path: Path) -> None:
    done = run(checkout, "doctor", env=base_environment() | {"DOCKER_HOST": f"unix://{tmp_path}/none"})
    assert (done.returncode, "`make up` or `make run` first" in done.stderr) == (1, True), done.stderr
