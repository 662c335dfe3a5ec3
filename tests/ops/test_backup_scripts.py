"""scripts/backup, restore and doctor when something is wrong.

They report the fault, and leave nothing half done.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.profile import Profile
from tests.support.server import ROOT, Server, base_environment, manage

pytestmark = [pytest.mark.integration, pytest.mark.once, pytest.mark.timeout(180)]

# A disk of its own for the backups, of a few KiB, in a namespace that ends with the command.
WITH_A_SMALL_DISK = (
    'mount -t tmpfs -o "size=$1" none "$2" && shift 2 && { code=0; "$@" || code=$?; ls -A "$BACKUP_DIR"; exit $code; }'
)


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
def env(profile: Profile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The settings of an installation with some rows and files, and of a key of gpg."""
    server = Server(profile)
    server.shell("from accounts.services import user_create; user_create(username='ada', password='correct horse battery')")
    (server.data_dir / "files").mkdir(exist_ok=True)
    (server.data_dir / "files" / "picture").write_bytes(os.urandom(600_000))
    home = tmp_path_factory.mktemp("gnupg")
    home.chmod(0o700)
    made = server.env | {"GNUPGHOME": str(home)}
    key = ["gpg", "--batch", "--quiet", "--passphrase", "open sesame", "--pinentry-mode", "loopback"]
    subprocess.run([*key, "--quick-gen-key", "ada@example.com", "rsa2048", "encr"], env=made, check=True, timeout=120)
    yield made
    subprocess.run(["gpgconf", "--kill", "gpg-agent"], env=made, check=False, timeout=20)
    server.close()


def run(checkout: Path, name: str, *arguments: str, env: dict[str, str], small: str = "") -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [checkout / "scripts" / name, *arguments]
    if small:
        Path(env["BACKUP_DIR"]).mkdir(exist_ok=True)
        command = ["unshare", "--mount", "sh", "-c", WITH_A_SMALL_DISK, "sh", small, env["BACKUP_DIR"], *command]
    return subprocess.run(command, env=env, cwd=checkout, capture_output=True, text=True, check=False, timeout=120, input="")


def needs_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")


@pytest.mark.parametrize(("size", "to", "says"), [("300k", "", ""), ("900k", "ada@example.com", "could not be encrypted")])
def test_nothing_is_left_of_a_backup_without_room_on_the_disk(
    embedded: Path, env: dict[str, str], tmp_path: Path, size: str, to: str, says: str
) -> None:
    """300 KiB do not hold the backup.

    900 KiB hold it, but not its encrypted copy beside it.
    """
    needs_root()
    made = env | {"BACKUP_DIR": str(tmp_path / "small"), "BACKUP_ENCRYPT_TO": to}
    done = run(embedded, "backup", env=made, small=size)
    assert done.returncode != 0
    assert "Wrote" not in done.stderr
    assert says in done.stderr
    assert done.stdout.split() == [], done.stderr
    enough = run(embedded, "backup", env=made, small="4m")
    assert enough.returncode == 0, enough.stderr
    (name,) = enough.stdout.split()
    assert name.endswith(".tar.gz.gpg" if to else ".tar.gz")


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
    # The runbooks take the last of `ls var/backups/hubbub-*.tar.gz*`.
    assert [name for name in left if name.startswith("hubbub-")] == left[1:]
    assert len(left) == 2


def test_backup_that_cannot_be_decrypted_is_named(checkout: Path, env: dict[str, str], embedded: Path, tmp_path: Path) -> None:
    made = env | {"BACKUP_DIR": str(tmp_path), "BACKUP_ENCRYPT_TO": "ada@example.com"}
    assert run(embedded, "backup", env=made).returncode == 0
    (file,) = tmp_path.glob("hubbub-*.gpg")
    # Nobody is here to say the passphrase; another person's keys.
    (tmp_path / "keys").mkdir(mode=0o700)
    for home in (env["GNUPGHOME"], str(tmp_path / "keys")):
        done = run(checkout, "restore", str(file), env=env | {"GNUPGHOME": home})
        assert done.returncode == 1
        assert f"{file} cannot be decrypted" in done.stderr
        assert [*(checkout / "var").iterdir()] == [], "nothing of it stays"
        assert not (checkout / ".env").exists()


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
