"""install.sh looks at the server before it changes anything."""

import os
import pty
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from accounts import names
from tests.scripts.conftest import Checkout
from tests.support.server import ROOT

pytestmark = pytest.mark.once
ENOUGH = "MemTotal:       8000000 kB\nMemFree:         100 kB\n"


def install(
    *arguments: str, meminfo: str | Path = "/proc/meminfo", path: str | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [ROOT / "install.sh", *arguments]
    made = {"PATH": path or os.environ["PATH"], "HOME": os.environ.get("HOME", "/root"), "MEMINFO": str(meminfo), **env}
    return subprocess.run(command, env=made, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL)


@pytest.fixture
def without_docker(tmp_path: Path) -> str:
    """A PATH with all programs of this machine but docker."""
    for folder in os.environ["PATH"].split(":"):
        for program in Path(folder).glob("*") if Path(folder).is_dir() else ():
            link = tmp_path / program.name
            if program.name != "docker" and not link.is_symlink():
                link.symlink_to(program)
    return str(tmp_path)


def test_too_little_memory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:         900000 kB\n")
    done = install("--dry-run", "--address", "https://chat.example.com", "--admin", "root", meminfo=tmp_path / "meminfo")
    assert done.returncode == 1
    assert "has 878 MB of memory: the stack needs 1800 MB" in done.stderr


def test_one_cpu_is_a_warning(tmp_path: Path, without_docker: str) -> None:
    (tmp_path / "meminfo").write_text(ENOUGH)
    done = install("--dry-run", meminfo=tmp_path / "meminfo", path=without_docker, CPUS="1")
    assert "warning: one CPU works, slowly" in done.stderr


def test_missing_docker_is_named_with_its_package(without_docker: str) -> None:
    done = install("--dry-run", path=without_docker)
    assert done.returncode == 1
    assert "docker is not installed. On Debian and Ubuntu: apt-get install docker.io" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--adress", "x"], "there is no option --adress"),
        (["--address"], "--address needs a value"),
        (["--admin", "--dry-run"], "--admin needs a value"),
        (["--admin", ""], "--admin needs a value"),
        (["--delete-data"], "--delete-data goes with --uninstall"),
        (["--certificate", "/etc/hostname"], "--certificate and --key go together"),
        (["--certificate", "/etc/hostname", "--key", "/etc/hostname", "--acme", "a@b.example"], "--acme orders a certificate"),
        (["--password-file", "/no/such"], "there is no file /no/such that can be read"),
    ],
)
def test_wrong_options_are_named(arguments: list[str], says: str) -> None:
    done = install(*arguments)
    assert done.returncode == 2
    assert says in done.stderr


@pytest.mark.parametrize(
    ("content", "is_short"),
    [
        (b"short\n", True),
        (b"1234567\r\n", True),
        (b"\xef\xbb\xbf1234567\r\n", True),
        (b"12345678", False),
        (b"12345678\r\n", False),
    ],
    ids=["short", "short of Windows", "short with a mark", "without an end", "of Windows"],
)
def test_short_password_is_refused(tmp_path: Path, without_docker: str, content: bytes, is_short: bool) -> None:
    file = tmp_path / "password"
    file.write_bytes(content)
    done = install("--password-file", str(file), path=without_docker)
    assert ("fewer than 8 characters" in done.stderr) == is_short
    assert done.returncode == (2 if is_short else 1), done.stderr


def test_password_that_is_not_utf8_is_refused(tmp_path: Path, without_docker: str) -> None:
    """Its hash could not be made, once the stack runs."""
    file = tmp_path / "password"
    file.write_bytes("Geheimnis für Büros".encode("latin-1"))
    done = install("--password-file", str(file), path=without_docker)
    assert (done.returncode, "is not UTF-8" in done.stderr) == (2, True), done.stderr


DOCKER = '#!/bin/sh\nif [ "$1" = info ]; then echo /proc; fi\n'
DF = '#!/bin/sh\nfree=90000; if [ "$2" = /proc ]; then free=500; fi\necho header; echo "disk 1 1 $free 1% /"\n'


def test_full_disk_of_docker_is_named(faked: Checkout) -> None:
    """The checkout is on another disk than Docker's images and volumes."""
    shutil.copy(ROOT / "install.sh", faked.directory)
    (faked.directory / "meminfo").write_text(ENOUGH)
    for name, text in (("docker", DOCKER), ("df", DF)):
        (faked.directory / "bin" / name).write_text(text)
        (faked.directory / "bin" / name).chmod(0o755)
    done = faked.script("../install.sh", "--dry-run", MEMINFO=str(faked.directory / "meminfo"), CPUS="2")
    assert (done.returncode, "/proc has 500 MB free: images and data need 6000 MB" in done.stderr) == (1, True), done.stderr


@pytest.fixture
def bare(faked: Checkout) -> Checkout:
    """A server with Docker and without an installation."""
    shutil.copy(ROOT / "install.sh", faked.directory)
    (faked.directory / "meminfo").write_text(ENOUGH)
    faked.env_file.unlink()
    return faked


def test_port_in_use_is_named_before_anything_is_done(bare: Checkout) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        asked = ("--address", f"http://127.0.0.1:{port}", "--admin", "ada")
        done = bare.script("../install.sh", *asked, MEMINFO=str(bare.directory / "meminfo"), CPUS="2")
    assert (done.returncode, f"port {port} is in use" in done.stderr) == (1, True), done.stderr
    assert not bare.env_file.exists()


@pytest.mark.parametrize(
    ("typed", "address", "admin"),
    [("https://chat.example.com\nada\n", "https://chat.example.com", "ada"), ("\n\n", "http://127.0.0.1:8080", "admin")],
    ids=["answers", "defaults"],
)
def test_two_questions_at_a_terminal(bare: Checkout, typed: str, address: str, admin: str) -> None:
    ours, theirs = pty.openpty()
    env = {"PATH": f"{bare.directory / 'bin'}:{os.environ['PATH']}", "MEMINFO": str(bare.directory / "meminfo"), "CPUS": "2"}
    with os.fdopen(ours, "wb", buffering=0) as terminal:
        command: list[str | Path] = [bare.directory / "install.sh", "--dry-run"]
        with subprocess.Popen(command, env=env, stdin=theirs, stderr=subprocess.PIPE, text=True) as process:
            os.close(theirs)
            terminal.write(typed.encode())
            _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert f"would set: PUBLIC_URL={address}\n" in said
    assert f"would make the administrator {admin}, unless" in said
    assert said.count("? [") == len(("address", "name"))
    assert not bare.env_file.exists()


@pytest.mark.parametrize(
    ("host", "bind"),
    [("127.0.0.1", "127.0.0.1"), ("localhost", "127.0.0.1"), ("[::1]", "[::1]"), ("chat.example.com", "0.0.0.0")],
)
def test_stack_listens_where_its_address_leads(bare: Checkout, host: str, bind: str) -> None:
    asked = ("--address", f"http://{host}:48099", "--admin", "ada", "--dry-run")
    done = bare.script("../install.sh", *asked, MEMINFO=str(bare.directory / "meminfo"), CPUS="2")
    assert f"would set: HTTP_BIND={bind}\n" in done.stderr, done.stderr


PLAIN = ["a b", "Ada!", "a/b", "<i>", "x" * 65, "tab\tin", "Ada.B+c@d_e-1", "x" * 64, " ada ", "Büro", "名字"]


@pytest.mark.parametrize("name", PLAIN)
def test_name_is_refused_before_anything_is_done_as_the_app_does(bare: Checkout, name: str) -> None:
    """The script knows the app's rules of plain letters, and no others."""
    file = {"MEMINFO": str(bare.directory / "meminfo"), "CPUS": "2"}
    done = bare.script("../install.sh", "--address", "http://127.0.0.1:48099", "--admin", name, "--dry-run", **file)
    stored = names.normalized(name)
    is_good = len(stored) <= names.MAX_LENGTH and names.objection_to(stored) is None
    assert (done.returncode == 0) == is_good, done.stderr
    assert ("is no name for the administrator" in done.stderr) != is_good
    assert not bare.env_file.exists()


def test_repeated_install_leaves_an_old_name_alone(ordering: Checkout) -> None:
    """Where there are data, an administrator may be of a release with other rules."""
    asked = ("../install.sh", "--admin", "a b", "--dry-run")
    file = {"MEMINFO": str(ordering.directory / "meminfo"), "CPUS": "2"}
    assert "is no name for the administrator" in ordering.script(*asked, **file).stderr
    (ordering.directory / "bin" / "containers").write_text("web-1\n")
    assert ordering.script(*asked, **file).returncode == 0


def test_certificate_is_looked_for_in_the_calling_folder(bare: Checkout, tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_text("a certificate, and a key")
    near = os.path.relpath(tmp_path / "a.pem")
    asked = ("--address", "https://chat.example.com:48099", "--admin", "ada", "--certificate", near, "--key", near, "--dry-run")
    done = bare.script("../install.sh", *asked, MEMINFO=str(bare.directory / "meminfo"), CPUS="2")
    assert f"would set: TLS_CERTIFICATE={tmp_path / 'a.pem'}\n" in done.stderr, done.stderr


def test_first_start_is_asked_for_the_name(bare: Checkout) -> None:
    """The app refuses it behind the build, before a start."""
    (bare.directory / "bin" / "refuses_name").touch()
    file = {"MEMINFO": str(bare.directory / "meminfo"), "CPUS": "2"}
    done = bare.script("../install.sh", "--address", "http://127.0.0.1:48099", "--admin", "room", **file)
    assert (done.returncode, "choose another name for the administrator" in done.stderr) == (1, True), done.stderr
    (asked,) = [call for call in bare.calls() if "--new" in call]
    assert asked[-2:] == ["--", "room"]
    assert not [call for call in bare.calls() if {"up", "create"} & {*call}]


# --- the first certificate


@pytest.fixture
def ordering(faked: Checkout) -> Checkout:
    """An installation with ACME, whose doctor is a call of docker."""
    shutil.copy(ROOT / "install.sh", faked.directory)
    (faked.directory / "scripts" / "up").write_text("#!/bin/sh\n")
    (faked.directory / "scripts" / "doctor").write_text("#!/bin/sh\nexec docker doctor\n")
    (faked.directory / "meminfo").write_text(ENOUGH)
    faked.env_file.write_text("SECRET_KEY=a\nPUBLIC_URL=https://chat.example.com\nACME_EMAIL=ada@example.com\n")
    return faked


def repeat(checkout: Checkout, **env: str) -> subprocess.CompletedProcess[str]:
    """Run install.sh once more; .env says all but the administrator's name."""
    return checkout.script("../install.sh", "--admin", "ada", MEMINFO=str(checkout.directory / "meminfo"), CPUS="2", **env)


def test_doctor_waits_for_the_first_certificate(ordering: Checkout) -> None:
    (ordering.directory / "bin" / "without_certificate").write_text("2")
    done = repeat(ordering)
    assert done.returncode == 0, done.stderr
    asked = [number for number, call in enumerate(ordering.calls()) if {"exec", "nginx"} <= {*call}]
    assert len(asked) == 3
    assert ordering.calls()[asked[0]][-1] == "chat.example.com"
    assert asked[-1] < ordering.calls().index(["doctor"])
    assert "warning" not in done.stderr


def test_certificate_that_does_not_come_is_named_with_its_reason(ordering: Checkout) -> None:
    (ordering.directory / "bin" / "without_certificate").write_text("1000")
    (ordering.directory / "bin" / "logs").write_text("T ordering a certificate\nT error: no new certificate: no such name\n")
    done = repeat(ordering, CERTIFICATE_S="1")
    assert "warning: no certificate for chat.example.com came within 1 s" in done.stderr
    assert "T error: no new certificate: no such name" in done.stderr
    assert ordering.calls()[-1] == ["doctor"]


def test_nobody_waits_for_a_certificate_without_acme(ordering: Checkout) -> None:
    (ordering.directory / "bin" / "without_certificate").write_text("1000")
    ordering.env_file.write_text("SECRET_KEY=a\nPUBLIC_URL=http://127.0.0.1:8080\n")
    assert repeat(ordering).returncode == 0
    assert ["exec", "nginx"] not in [[word for word in call if word in {"exec", "nginx"}] for call in ordering.calls()]
